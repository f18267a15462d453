"""Writes the reason of a WebShop action in one to three short sentences, from the visible history only.

The wording is made for small models. The reason contains the text that the agent has to type next, copied from the
instruction or the page. The reason for a choice says what is wanted and that it is here.
"""

from __future__ import annotations

from a3t_contracts.react import NO_PURPOSE, History

from .view import View, WishesReader, argument_of, read_wishes, view_of

__all__ = ["webshop_reason"]

_CLIP = 160
_SUB_PAGES = ("description", "features", "reviews", "attributes")


def webshop_reason(history: History, action: str, read_wishes: WishesReader = read_wishes) -> str:
    """Write why `action` makes sense after `history`.

    An action that serves the instruction gets the reason that a careful shopper would have. The reason of any other
    action, such as a sampled one, says that it is only a try. Never raises, whatever the texts. `read_wishes`: see
    `view_of`.
    """
    view = view_of(history, read_wishes)
    verb, argument = argument_of(" ".join(action.split()))
    if verb == "search":
        return _search(view, argument)
    name = argument.lower()
    if name == "buy now" and view.page == "item":
        return _buy(view)
    if name in ("< prev", "next >", "back to search"):
        return _move(view, name)
    if name in _SUB_PAGES and view.page == "item":
        return f"The price and the options do not say everything. I read the {name}."
    if view.page == "results" and argument.upper() in view.products:
        return _open(view, argument.upper())
    if view.page == "item" and view.offers(argument):
        return _choose(view, argument)
    return f"{NO_PURPOSE}: {_clip(' '.join(action.split()))}."


def _search(view: View, query: str) -> str:
    if view.page == "start" and not view.searches:
        return f"I need {_clip(view.wishes.thing or query)}. I search for it."
    return f"I have not found {_clip(view.wishes.thing or 'it')} yet. I search with other words."


def _open(view: View, asin: str) -> str:
    title, price = view.products[asin]
    if not view.affordable(price):
        return f"{asin} costs {price}, more than {_limit(view)}. I try it all the same."
    within = f" for {price}" if price else ""
    return f"{asin} is {_clip(title)}{within}. It may be what I need. I open it."


def _choose(view: View, value: str) -> str:
    group = next((g for g, v in view.wishes.options.items() if v == value), None)
    if group is None:
        wished = value in view.wishes.thing.lower()
        return f"I need {value}. It is here. I choose it." if wished else f"{NO_PURPOSE}: I choose {value}."
    if value in view.chosen:
        return f"I have chosen {group} {value} already. I choose it again."
    return f"I need {group} {value}. It is here. I choose it."


def _buy(view: View) -> str:
    if view.missing:
        lacking = " and ".join(f"{group} {value}" for group, value in view.missing.items())
        return f"I do not have {_clip(lacking)}. I try to buy it all the same."
    if not view.affordable(view.price):
        return f"It costs {view.price}, more than {_limit(view)}. I try to buy it all the same."
    chosen = " and ".join(f"{group} {value}" for group, value in view.wishes.options.items())
    return f"I have {_clip(chosen)}. The price is {view.price}. I buy it." if chosen else _plain_buy(view)


def _plain_buy(view: View) -> str:
    return f"The price is {view.price}. Nothing is left to choose. I buy it."


def _move(view: View, name: str) -> str:
    if name == "next >":
        return "None of these is what I need. I look at the next page."
    if name == "back to search":
        return "This does not lead to what I need. I search again."
    if view.page == "item":
        if view.wishes.title and view.wishes.title not in view.texts:
            return "This is not what I need. I go back."
        lacking = [f"{group} {value}" for group, value in view.missing.items() if not view.offers(value)]
        if lacking:
            return f"I need {_clip(' and '.join(lacking))}. It is not here. I go back."
        if not view.affordable(view.price):
            return f"The price is {view.price}, more than {_limit(view)}. I go back."
        return "I compare it with the other results. I go back."
    return "I have read enough. I go back."


def _limit(view: View) -> str:
    return f"${view.wishes.limit}" if view.wishes.limit is not None else "I want to pay"


def _clip(text: str) -> str:
    return text if len(text) <= _CLIP else text[:_CLIP].rsplit(" ", 1)[0]
