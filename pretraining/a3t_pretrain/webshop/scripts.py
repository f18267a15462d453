"""Scripts that play errands in the shop, with slips, and random walks."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from ..scripts import Act, Script, Seen
from .pages import Listed, ShopPage, clickable, instruction_in, read_page

__all__ = ["Item", "ShopErrand", "run_errand", "scout_shop", "wander_shop"]

_MOST_ACTIONS = 14
_MOST_OPENED = 4
_MOST_PAGES = 3
_SLIPS_IN_A_ROW = (0.75, 0.15, 0.1)


@dataclass(frozen=True, slots=True)
class Item:
    """A product as scouting found it."""

    asin: str
    title: str
    options: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class ShopErrand:
    """An errand: what to search for, which product to open (by its title; None: the first that offers the options;
    empty: none), which options to choose there, and what to click at the end. `only_first`: the errand fails if the
    first result does not offer the options.
    """

    query: str
    title: str | None = ""
    options: dict[str, str] = field(default_factory=dict)
    last: str = ""
    only_first: bool = False


def scout_shop(
    items: dict[str, Item], found: dict[str, list[str]], core_of: Callable[[str], str]
) -> Callable[[Seen], Script]:
    """A script that searches for what the task asks for and opens each product on the first page that is not known yet.

    Fills `items` (ASIN → item) and `found` (search → ASINs on its first page)."""

    def script(start: Seen) -> Script:
        core = core_of(instruction_in(start.observation))
        seen = yield Act(f"search[{core}]")
        listed = read_page(seen).products
        found[core] = [product.asin for product in listed]
        for product in listed:
            if product.asin in items:
                continue
            items[product.asin] = Item(product.asin, product.title, {})
            page = read_page((yield Act(clickable(product.asin))))
            items[product.asin] = Item(product.asin, product.title, page.options)
            yield Act("click[< prev]")
        return True

    return script


def wander_shop(start: Seen, query: str, rng: random.Random) -> Script:
    """Clicks at random; nothing is bought."""
    seen = yield Act(f"search[{query}]")
    for _ in range(rng.randint(2, 5)):
        clicks = [a for a in seen.actions if a.startswith("click[") and a != "click[buy now]"]
        if not clicks:
            return True
        seen = yield Act(rng.choice(clicks))
    return True


def run_errand(errand: ShopErrand, rng: random.Random, slip_rate: float) -> Callable[[Seen], Script]:
    """Return the script of an errand. On every page it does what the errand needs there, or makes a slip."""

    def script(start: Seen) -> Script:
        play = _Shopping(errand)
        seen, slips = start, 0
        for _ in range(_MOST_ACTIONS):
            page = read_page(seen)
            action = play.meant(page)
            if action is None:
                return play.finished
            if slips == 0 and rng.random() < slip_rate:
                slips = rng.choices((1, 2, 3), _SLIPS_IN_A_ROW)[0]
            slip = play.slip(page, rng) if slips else None
            slips = max(0, slips - 1)
            act = slip or Act(action)
            play.did(page, act.action)
            seen = yield act
            if act.action == errand.last and slip is None:
                return True
        return False

    return script


@dataclass(slots=True)
class _Shopping:
    """What a script remembers of an errand."""

    errand: ShopErrand
    opened: list[str] = field(default_factory=list)
    chosen: list[str] = field(default_factory=list)
    pages: int = 1
    finished: bool = False

    def meant(self, page: ShopPage) -> str | None:
        """The correct action on a page; None at the end, with `finished` set if everything was done."""
        if page.kind == "start":
            return f"search[{self.errand.query}]"
        if page.kind == "sub":
            return "click[< prev]"
        if page.kind == "results":
            return self._on_results(page)
        return self._on_item(page) if page.kind == "item" else None

    def did(self, page: ShopPage, action: str) -> None:
        """Remember what was done on a page."""
        name = action.partition("[")[2].removesuffix("]")
        if action.startswith("search["):
            self.pages = 1
        elif page.kind == "results":
            self.pages += name == "next >"
            if name.upper() in {p.asin for p in page.products}:
                self.opened.append(name.upper())
                self.chosen = []
        elif page.kind == "item" and any(name in values for values in page.options.values()):
            self.chosen.append(name)

    def slip(self, page: ShopPage, rng: random.Random) -> Act | None:
        """A mistake that can be made on this page, with the thought that would lead to it."""
        if page.kind == "results":
            return self._wrong_product(page, rng)
        if page.kind == "item":
            return self._wrong_option(page, rng)
        return None

    def _on_results(self, page: ShopPage) -> str | None:
        errand = self.errand
        if errand.title == "":
            self.finished = True
            return None
        fitting = [p for p in page.products if p.title == errand.title] if errand.title else self._unopened(page)
        most = 1 if errand.only_first else _MOST_OPENED
        if fitting and (errand.title or len(set(self.opened)) < most):
            return clickable(fitting[0].asin)
        return "click[next >]" if page.products and self.pages < _MOST_PAGES and errand.title else None

    def _on_item(self, page: ShopPage) -> str | None:
        errand = self.errand
        if errand.title and page.title != errand.title:
            return "click[< prev]"
        for group, value in errand.options.items():
            if value not in page.options.get(group, []):
                return "click[< prev]"
            if self._now(page, group) != value:
                return clickable(value)
        if errand.last:
            return errand.last
        self.finished = True
        return None

    def _now(self, page: ShopPage, group: str) -> str:
        """The chosen value of a group, which is the one clicked last."""
        return next((v for v in reversed(self.chosen) if v in page.options.get(group, [])), "")

    def _unopened(self, page: ShopPage) -> list[Listed]:
        return [p for p in page.products if p.asin not in self.opened]

    def _wrong_product(self, page: ShopPage, rng: random.Random) -> Act | None:
        """Open a product that is not wanted, or one that was opened before."""
        wrong = [
            p for p in page.products if (p.title != self.errand.title if self.errand.title else p.asin in self.opened)
        ]
        if self.errand.title == "" or not wrong:
            return None
        product = rng.choice(wrong)
        thought = f"{product.asin} is {product.title} for {product.price}. It may be what I need. I open it."
        return Act(clickable(product.asin), thought)

    def _wrong_option(self, page: ShopPage, rng: random.Random) -> Act | None:
        """Choose a wanted value that is not offered here, or a value that is not wanted."""
        wished = list(self.errand.options.items())
        absent = [(g, v) for g, v in wished if v not in page.options.get(g, [])]
        others = [(g, v) for g, w in wished for v in page.options.get(g, []) if v != w and w in page.options[g]]
        if not absent and not others:
            return None
        group, value = rng.choice(absent or others)
        return Act(clickable(value), f"I need {group} {value}. It is here. I choose it.")
