"""The read-only parts that the sessions of a catalogue share: products, search, goals, rewards."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cached_property
from sys import getsizeof

from a3t_contracts.byte_cache import ByteCache
from a3t_contracts.errors import InvalidInputError

from ..catalogue.store import Catalogue
from ..goals.draw import DEFAULT_SEED, GoalKind
from ..goals.nouns import Tagger, default_tagger
from ..goals.reward import Reward, purchase_reward
from ..goals.table import GoalTable, ShopGoal

__all__ = ["SEARCH_LIMIT", "Shop"]

SEARCH_LIMIT = 50
_KEPT_BYTES = 16 * 2**20
"""Most bytes of searches and their results to keep in memory."""
_NUMBER_BYTES = 32


class Shop:
    """A catalogue with its goals, read-only and shared by all sessions. `seed` is the seed of prices and price
    limits."""

    def __init__(self, catalogue: Catalogue, seed: int = DEFAULT_SEED, tagger: Tagger | None = None) -> None:
        self.catalogue, self.seed = catalogue, seed
        self._tagger = tagger
        self._hits: ByteCache[str, tuple[int, ...]] = ByteCache(_KEPT_BYTES, self._search, _weight)

    @cached_property
    def synthetic(self) -> GoalTable:
        """The goals that are made from attributes and options."""
        return GoalTable(self.catalogue, "synthetic", self.seed)

    @cached_property
    def human(self) -> GoalTable:
        """The goals that people wrote."""
        return GoalTable(self.catalogue, "human", self.seed)

    def goals(self, kind: GoalKind) -> GoalTable:
        """The goals of a kind."""
        return self.synthetic if kind == "synthetic" else self.human

    def search(self, keywords: list[str], rng: random.Random) -> tuple[int, ...]:
        """Numbers of the products that a search shows, the best first: at most 50, or all of a category or a query.

        `<r>` draws products from `rng`; `<c> name` lists a category, `<q> words` a query. Raises InvalidInputError for
        a search that crashes the original.
        """
        special = _SPECIAL.get(keywords[0])
        if special:
            return special(self, keywords[1:], rng)
        return self._hits.get(" ".join(keywords))

    def reward(self, number: int, goal: ShopGoal, options: dict[str, str]) -> Reward:
        """The reward of buying a product."""
        price = float(self.synthetic.prices[number])
        return purchase_reward(self.catalogue.product(number), goal, price, options, self._tagger or default_tagger())

    def _search(self, text: str) -> tuple[int, ...]:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInputError("The search contains half of a surrogate pair.") from error
        return tuple(hit.document for hit in self.catalogue.index.search(text, SEARCH_LIMIT))


def _weight(text: str, found: tuple[int, ...]) -> int:
    return getsizeof(text) + getsizeof(found) + _NUMBER_BYTES * len(found)


def _random(shop: Shop, _: list[str], rng: random.Random) -> tuple[int, ...]:
    return tuple(rng.sample(range(len(shop.catalogue)), min(SEARCH_LIMIT, len(shop.catalogue))))


def _category(shop: Shop, words: list[str], _: random.Random) -> tuple[int, ...]:
    if not words:
        raise InvalidInputError("`<c>` needs the name of a category.")
    return tuple(shop.catalogue.with_category(words[0].strip()))


def _query(shop: Shop, words: list[str], _: random.Random) -> tuple[int, ...]:
    return tuple(shop.catalogue.with_query(" ".join(words).strip()))


def _attribute(shop: Shop, words: list[str], _: random.Random) -> tuple[int, ...]:
    raise InvalidInputError("`<a>` is not supported: the original crashes at it.")


_SPECIAL: dict[str, Callable[[Shop, list[str], random.Random], tuple[int, ...]]] = {
    "<r>": _random,
    "<c>": _category,
    "<q>": _query,
    "<a>": _attribute,
}
