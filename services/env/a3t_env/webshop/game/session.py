"""One shopping session: the original's state machine."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from typing import Literal

from a3t_contracts.errors import InvalidInputError

from ..goals.reward import Reward
from ..goals.table import ShopGoal
from .layout import SUB_PAGES, done_page, item_page, results_page, start_page, sub_page
from .page import Clickable, Page
from .shop import Shop

__all__ = ["BASE_URL", "MODES", "Mode", "ShopSession", "ShopStep", "parse_action"]

Mode = Literal["text", "text_rich", "url"]
MODES: tuple[Mode, ...] = ("text", "text_rich", "url")
BASE_URL = "http://127.0.0.1:3000"
WINDOW = 10
"""Number of products on a page of results."""

_ACTION = re.compile(r"(.+)\[(.+)\]")
_PAGE_NAMES = ("search_results", "item_page", "item_sub_page", "done")


@dataclass(frozen=True, slots=True)
class ShopStep:
    """The result of an action. `valid` is false if it changed nothing; `bought` is set after a purchase."""

    reward: float = 0.0
    done: bool = False
    valid: bool = True
    bought: Reward | None = None


_NOTHING = ShopStep(valid=False)


def parse_action(action: str) -> tuple[str, str] | None:
    """Return name and lower-cased argument of `name[argument]`, or None for a text of another form. As in the
    original, any text may follow the last bracket.
    """
    match = _ACTION.match(action)
    return (match[1], match[2].lower()) if match else None


class ShopSession:
    """A session of a shop for one goal. Not thread-safe.

    With `pay_once`, a second purchase in an episode is refused; the original rewards it again. Everything else behaves
    like the original, with its quirks. Actions that crash the original do nothing here.
    """

    def __init__(
        self,
        shop: Shop,
        goal: ShopGoal,
        session_id: str,
        *,
        show_attributes: bool = False,
        pay_once: bool = True,
        seed: int = 0,
    ) -> None:
        self.shop, self.goal, self.id = shop, goal, session_id
        self._show_attributes, self._pay_once = show_attributes, pay_once
        self._rng = random.Random(seed)
        self.reset()

    def reset(self) -> None:
        """Start the episode again with the same goal."""
        self._bought = False
        self._start()

    def step(self, action: str) -> ShopStep:
        """Carry out an action."""
        parsed = parse_action(action)
        if parsed is None:
            return _NOTHING
        name, argument = parsed
        if name == "search":
            return self._search(argument.split(" "))
        if name == "click" and argument != "search" and argument in self.page.clickables:
            return self._click(argument, self.page.clickables[argument])
        return _NOTHING

    def observation(self, mode: Mode = "text") -> str:
        """The present page in a mode."""
        if mode == "text":
            return self.page.text()
        return self.page.rich(self.visited) if mode == "text_rich" else self.page.url

    def actions(self) -> list[str]:
        """Clicks that have an effect, in the order of the page. Searching is possible on every page."""
        paid = self._bought and self._pay_once
        names = [name for name in self.page.clickables if name != "search" and not (paid and name == "buy now")]
        return [action for name in names if parse_action(action := f"click[{name}]")]

    def _start(self) -> ShopStep:
        self.keywords: list[str] = []
        self.page_number = 0
        self.product = -1
        self.visited: set[str] = set()
        self.options: dict[str, str] = {}
        self.page: Page = start_page(f"{BASE_URL}/{self.id}", self.goal.instruction)
        return ShopStep()

    def _search(self, keywords: list[str], page_number: int = 1) -> ShopStep:
        try:
            hits = self.shop.search(keywords, self._rng)
        except InvalidInputError:
            return _NOTHING
        self.keywords, self.page_number = keywords, page_number
        self.product, self.options = -1, {}
        # A negative page number slices from the end, as in the original.
        numbers = hits[(page_number - 1) * WINDOW : page_number * WINDOW]
        shown = [(number, self.shop.catalogue.product(number)) for number in numbers]
        url = f"{BASE_URL}/search_results/{self.id}/{'+'.join(keywords)}/{page_number}"
        self.page = results_page(url, self.goal.instruction, page_number, len(hits), shown)
        return ShopStep()

    def _click(self, name: str, clicked: Clickable) -> ShopStep:
        here = self._page_name()
        if name == "buy now":
            return self._buy()
        if name == "back to search":
            return self._start()
        if name == "next >" and here == "search_results":
            return self._search(self.keywords, self.page_number + 1)
        if name == "< prev" and here == "search_results":
            return self._search(self.keywords, self.page_number - 1)
        if name == "< prev" and here == "item_page":
            return self._search(self.keywords, self.page_number)
        if name in SUB_PAGES:
            return self._sub_page(SUB_PAGES[name])
        if clicked.kind == "product":
            self.product = clicked.product
            self.visited.add(self._asin)
        elif clicked.kind == "option":
            self.options[clicked.group] = name
        return self._item_page()

    def _page_name(self) -> str:
        """The kind of the present page, found as in the original: the first page name that occurs in the URL, which
        also contains the keywords.
        """
        return next((name for name in _PAGE_NAMES if name in self.page.url), "")

    @property
    def _asin(self) -> str:
        return self.shop.catalogue.product(self.product).asin

    def _item_url(self, name: str) -> str:
        return f"{BASE_URL}/{name}/{self.id}/{self._asin}/{'+'.join(self.keywords)}/{self.page_number}"

    def _item_page(self) -> ShopStep:
        url = f"{self._item_url('item_page')}/{json.dumps(self.options)}"
        product = self.shop.catalogue.product(self.product)
        self.page = item_page(url, self.goal.instruction, product, self._show_attributes)
        return ShopStep()

    def _sub_page(self, name: str) -> ShopStep:
        url = f"{self._item_url('item_sub_page')}/{name}/{self.options}"
        self.page = sub_page(url, self.goal.instruction, self.shop.catalogue.product(self.product), name)
        return ShopStep()

    def _buy(self) -> ShopStep:
        if self._bought and self._pay_once:
            return _NOTHING
        self._bought = True
        reward = self.shop.reward(self.product, self.goal, self.options)
        url = f"{BASE_URL}/done/{self.id}/{self._asin}/{self.options}"
        self.page = done_page(url, self._asin, self.options, reward.total)
        return ShopStep(reward.total, True, True, reward)
