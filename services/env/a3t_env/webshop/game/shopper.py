"""Players without a model: a scripted shopper, and the rule baseline of the WebShop paper.

They see what the agent sees: the texts of the pages and what can be clicked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .page import Node, Page
from .wishes import Wishes, read_wishes, words_of

__all__ = ["RuleBaseline", "Shopper", "instruction_on"]

_DOLLARS = re.compile(r"\$(\d+(?:\.\d+)?)")
_LOOKS = 4
"""Number of products that the shopper opens before it takes the best of them."""


def instruction_on(page: Page) -> str:
    """The instruction on a page; every page but the last shows it."""
    for label, text in zip(page.nodes, page.nodes[1:], strict=False):
        if label.text.strip() == "Instruction:":
            return text.text
    return ""


@dataclass(slots=True)
class _Offer:
    """What the shopper knows of a product. `matched`: share of the wishes that its page can meet, 0 to 1; None
    before the page was opened.
    """

    name: str
    appeal: float
    matched: float | None = None


@dataclass(slots=True)
class Shopper:
    """Searches for the instruction, opens the most promising results, compares options and prices, chooses the named
    options, and buys.

    Call `see` with every page; `next_action` returns the action on the last page.
    """

    wishes: Wishes | None = None
    offers: dict[str, _Offer] = field(default_factory=dict)
    chosen: set[str] = field(default_factory=set)
    opened: str = ""
    page: Page | None = None

    def see(self, page: Page, action: str = "") -> None:
        """Record a page and the action that led to it."""
        before, self.page = self.page, page
        if self.wishes is None and (text := instruction_on(page)):
            self.wishes = read_wishes(text)
        if page.kind == "results":
            self._see_results(page)
        elif page.kind == "item":
            self._see_item(page, before, action.removeprefix("click[").removesuffix("]").lower())

    def next_action(self) -> str:
        """The next action on the last page."""
        page, wishes = self.page, self.wishes
        if page is None or wishes is None or page.kind in ("start", "done"):
            return f"search[{_searchable(wishes.query if wishes else '')}]"
        if page.kind == "results":
            return self._choose(page)
        if page.kind == "sub":
            return "click[< prev]"
        return self._on_item(page, wishes)

    def _on_item(self, page: Page, wishes: Wishes) -> str:
        here = self.offers.get(self.opened)
        if here and (here.matched or 0) < 1 and not self._settled(here):
            return "click[< prev]"
        for value in _wanted_values(page, wishes).values():
            if value not in self.chosen:
                return f"click[{value}]"
        return "click[buy now]"

    def _settled(self, here: _Offer) -> bool:
        """Whether enough products were compared and this one is the best."""
        looked = [offer for offer in self.offers.values() if offer.matched is not None]
        unseen = [offer for offer in self.offers.values() if offer.matched is None and offer.appeal > 0]
        return (len(looked) >= _LOOKS or not unseen) and here is max(looked, key=_worth)

    def _choose(self, page: Page) -> str:
        here = [o for name, o in self.offers.items() if name in page.clickables]
        looked = [o for o in here if o.matched is not None]
        unseen = [o for o in here if o.matched is None and o.appeal > 0]
        if unseen and len(looked) < _LOOKS and not any((o.matched or 0) >= 1 for o in looked):
            return f"click[{max(unseen, key=lambda o: o.appeal).name}]"
        if looked:
            return f"click[{max(looked, key=_worth).name}]"
        if here:
            return f"click[{here[0].name}]"
        return "click[back to search]" if "< prev" not in page.clickables else "click[< prev]"

    def _see_results(self, page: Page) -> None:
        known, self.chosen = self.offers, set()
        self.offers = {
            name: known.get(name) or _Offer(name, self._appeal(rank, title, price))
            for rank, (name, title, price) in enumerate(_results(page))
        }

    def _see_item(self, page: Page, before: Page | None, clicked: str) -> None:
        if before is not None and before.kind == "results":
            self.opened, self.chosen = clicked, set()
        elif any(clicked in values for values in _groups(page).values()):
            self.chosen.add(clicked)
        if self.opened in self.offers:
            self.offers[self.opened].matched = self._match(page)

    def _appeal(self, rank: int, title: str, price: str) -> float:
        wishes = self.wishes
        if wishes is None or not _affordable(price, wishes.limit):
            return 0.0
        shared = len(words_of(title) & wishes.words) / max(len(wishes.words), 1)
        return 1.0 + shared - 0.06 * rank

    def _match(self, page: Page) -> float:
        """Share (0 to 1) of the wishes that an item page can meet. Wishes are the named options and the price limit."""
        wishes = self.wishes or Wishes("", {}, None)
        price = next((n.text for n in page.nodes if n.text.startswith("Price: ")), "")
        met = len(_wanted_values(page, wishes, exact=True)) + _affordable(price, wishes.limit)
        return met / (len(wishes.options) + 1) if wishes.options else float(_affordable(price, wishes.limit))


class RuleBaseline:
    """The rule baseline of the paper: search for the whole instruction, open the first result, buy it."""

    def __init__(self) -> None:
        self._page: Page | None = None

    def see(self, page: Page, action: str = "") -> None:
        """Record a page."""
        self._page = page

    def next_action(self) -> str:
        """The next action on the last page."""
        page = self._page
        if page is None or page.kind in ("start", "done", "sub"):
            return f"search[{_searchable(instruction_on(page) if page else '')}]"
        if page.kind == "item":
            return "click[buy now]"
        first = next((n.text.lower() for n in page.nodes if n.kind == "product"), None)
        return f"click[{first}]" if first else "click[back to search]"


def _worth(offer: _Offer) -> tuple[float, float]:
    return (offer.matched or 0.0, offer.appeal)


def _searchable(text: str) -> str:
    return " ".join(text.split()) or "products"


def _results(page: Page) -> list[tuple[str, str, str]]:
    """Name, title and price of every product on a page of results."""
    found = []
    for place, here in enumerate(page.nodes):
        if here.kind == "product":
            rest = [n.text for n in _until_product(page.nodes[place + 1 :])]
            found.append((here.text.lower(), rest[0] if len(rest) > 1 else "", rest[-1] if rest else ""))
    return found


def _until_product(nodes: list[Node]) -> list[Node]:
    end = next((i for i, n in enumerate(nodes) if n.kind == "product"), len(nodes))
    return nodes[:end]


def _affordable(price: str, limit: float | None) -> bool:
    """Whether the lowest price shown is within the limit."""
    shown = [float(value) for value in _DOLLARS.findall(price)]
    return limit is None or not shown or min(shown) <= limit


def _groups(page: Page) -> dict[str, list[str]]:
    """Option values by group name, from an item page."""
    groups: dict[str, list[str]] = {}
    name = ""
    for here in page.nodes:
        if here.kind == "option":
            groups.setdefault(name, []).append(here.text)
        else:
            name = here.text
    return groups


def _wanted_values(page: Page, wishes: Wishes, exact: bool = False) -> dict[str, str]:
    """The value to choose in each group. It is the value that the instruction names; unless `exact`, it may also be
    the longest value whose words all occur in the instruction.
    """
    chosen, core = {}, wishes.words
    for group, values in _groups(page).items():
        named = wishes.options.get(group)
        clickable = [v for v in values if v in page.clickables]
        if named in clickable:
            chosen[group] = str(named)
        elif not exact and (fitting := [v for v in clickable if words_of(v) and words_of(v) <= core]):
            chosen[group] = max(fitting, key=len)
    return chosen
