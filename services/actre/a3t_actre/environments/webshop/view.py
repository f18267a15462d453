"""Reads a WebShop episode's visible texts: the wishes, the page, the products and options seen so far."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from a3t_contracts.react import History

__all__ = ["View", "Wishes", "WishesReader", "argument_of", "read_wishes", "view_of"]

_PRICE = re.compile(r",? and price lower than (\d+(?:\.\d+)?) dollars$")
_OPTIONS = re.compile(r" with (?=[^:,]{1,40}: )")
_NEXT_OPTION = re.compile(r",? and (?=[^:,]{1,40}: )")
_OPENING = re.compile(
    r"^(?:find me|show me|can you find me|i am looking for|i'm looking for|looking for|i need|i want|get me)\s+", re.I
)
_ACTION = re.compile(r"(search|click)\[(.+)\]")
_MARK = re.compile(r"\[(?:clicked )?button_?\]")
_ASIN = re.compile(r"[A-Z0-9]{10}")
_DOLLARS = re.compile(r"\$(\d+(?:\.\d+)?)")
_BUTTONS = frozenset(
    {"Back to Search", "< Prev", "Next >", "Description", "Features", "Reviews", "Attributes", "Buy Now"}
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the instruction asks for: the product in words, options by group, the price limit in dollars, and the
    product's full title. The shop's goals never have a title; other readers may find one (see `view_of`).
    """

    thing: str = ""
    options: dict[str, str] = field(default_factory=dict)
    limit: float | None = None
    title: str = ""


WishesReader = Callable[[str], Wishes]


@dataclass(slots=True)
class View:
    """The state of an episode. `page`: start, results, item, sub, done or other. `products`: title and price by ASIN
    on a page of results; `texts`: the pieces of the present page; `chosen`: options clicked on the present product.
    """

    wishes: Wishes
    page: str = "other"
    texts: list[str] = field(default_factory=list)
    products: dict[str, tuple[str, str]] = field(default_factory=dict)
    chosen: list[str] = field(default_factory=list)
    searches: list[str] = field(default_factory=list)

    @property
    def price(self) -> str:
        """Price on an item page, empty elsewhere."""
        return next((t.removeprefix("Price: ") for t in self.texts if t.startswith("Price: ")), "")

    @property
    def missing(self) -> dict[str, str]:
        """Options that the instruction names and that are not chosen yet, by group."""
        return {g: v for g, v in self.wishes.options.items() if v not in self.chosen}

    def offers(self, value: str) -> bool:
        """Whether the page shows an option of that name."""
        return value in self.texts

    def affordable(self, price: str) -> bool:
        """Whether the lowest price in a price text is within the limit."""
        shown = [float(p) for p in _DOLLARS.findall(price)]
        return not shown or self.wishes.limit is None or min(shown) <= self.wishes.limit


def read_wishes(instruction: str) -> Wishes:
    """Parse the instruction of a goal. Never raises, whatever the text."""
    price = _PRICE.search(instruction)
    text = instruction[: price.start()] if price else instruction
    head, options = text, {}
    if found := _OPTIONS.search(text):
        head = text[: found.start()]
        for part in _NEXT_OPTION.split(text[found.end() :]):
            name, _, value = part.partition(": ")
            options[name] = value.rstrip(",")
    limit = float(price[1]) if price else None
    return Wishes(_OPENING.sub("", head).strip(), options, limit)


def argument_of(action: str) -> tuple[str, str]:
    """Return `search` or `click` and its argument; two empty texts for any other action."""
    found = _ACTION.match(action.strip())
    return (found[1], found[2]) if found else ("", "")


def view_of(history: History, read_wishes: WishesReader = read_wishes) -> View:
    """The state of an episode, read from its history. Never raises, whatever the texts.

    `read_wishes` gets the instruction. It may understand other wordings than those of the shop's goals.
    """
    pieces = _pieces(history.observation)
    view = View(read_wishes(_behind(pieces, "Instruction:")))
    _enter(view, pieces)
    for turn in history.turns:
        verb, argument = argument_of(turn.action)
        before = view.page
        pieces = _pieces(turn.observation)
        _enter(view, pieces)
        if verb == "search":
            view.searches.append(argument)
        elif before == view.page == "item" and argument in view.texts and argument not in _BUTTONS:
            view.chosen.append(argument)
        if view.page in ("start", "results"):
            view.chosen = []
    return view


def _pieces(observation: str) -> list[str]:
    """The pieces of a page, in the mode text or text_rich."""
    parts = observation.split(" [SEP] ") if " [SEP] " in observation else observation.split("\n")
    return [text for part in parts if (text := _MARK.sub("", part).strip())]


def _behind(pieces: list[str], label: str) -> str:
    return next((after for here, after in pairwise(pieces) if here == label), "")


def _enter(view: View, pieces: list[str]) -> None:
    view.texts, view.products = pieces, {}
    if pieces[:1] == ["WebShop"]:
        view.page = "start"
    elif any(p.startswith("Thank you for shopping") for p in pieces[:1]):
        view.page = "done"
    elif any(p.startswith("Page ") and "(Total results:" in p for p in pieces):
        view.page = "results"
        view.products = _products(pieces)
    elif "Buy Now" in pieces:
        view.page = "item"
    else:
        view.page = "sub" if "< Prev" in pieces else "other"


def _products(pieces: list[str]) -> dict[str, tuple[str, str]]:
    places = [i for i, p in enumerate(pieces) if _ASIN.fullmatch(p)]
    return {
        pieces[i]: (pieces[i + 1], pieces[i + 2] if pieces[i + 2].startswith("$") else "")
        for i in places
        if i + 2 < len(pieces)
    }
