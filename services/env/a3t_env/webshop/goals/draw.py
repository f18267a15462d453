"""The original's random draws: purchase prices, price limits, the order of the goals.

All come from Python's `random`, seeded before the shop is built (233 in the reference): one uniform number for each
product with a price range, then one sample of two limits for each product with an instruction. The order of the goals
comes from a new generator with seed 233.
"""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..catalogue.records import Product
from ..catalogue.store import Catalogue

__all__ = ["DEFAULT_SEED", "NO_LIMIT", "Drawn", "GoalKind", "draw_goals", "draw_prices"]

GoalKind = Literal["synthetic", "human"]
DEFAULT_SEED = 233
SHUFFLE_SEED = 233
NO_LIMIT = 1_000_000.0
"""Price limit of a goal whose instruction names no limit, in dollars."""

_STEPS = [10.0 * i for i in range(1, 100)]


@dataclass(frozen=True, slots=True)
class Drawn:
    """Goals in shuffled order. `choice` is the combination of options (synthetic) or the record (human)."""

    product: npt.NDArray[np.uint32]
    choice: npt.NDArray[np.uint32]
    limit: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]


@dataclass(slots=True)
class _Group:
    """The goals of one product (synthetic) or one record (human), which share limit and weight."""

    product: int
    first: int
    count: int
    limit: float
    attributes: list[str]


def draw_prices(pricing: npt.NDArray[np.float64], rng: random.Random) -> npt.NDArray[np.float64]:
    """Purchase prices in dollars: the single price, or a uniform draw from the range, in product order."""
    prices = pricing[:, 0].copy()
    for number in np.flatnonzero(~np.isnan(pricing[:, 1])).tolist():
        prices[number] = rng.uniform(float(pricing[number, 0]), float(pricing[number, 1]))
    return prices


def draw_goals(catalogue: Catalogue, kind: GoalKind, seed: int = DEFAULT_SEED) -> tuple[npt.NDArray[np.float64], Drawn]:
    """Purchase prices and goals of a catalogue, as after `random.seed(seed)` and building the original's server."""
    rng = random.Random(seed)
    prices = draw_prices(catalogue.pricing, rng)
    make = _synthetic if kind == "synthetic" else _human
    groups: list[_Group] = []
    for number, product in enumerate(catalogue.products()):
        groups.extend(make(number, product, float(prices[number]), rng))
    return prices, _shuffled(groups, _weights(groups, kind))


def _synthetic(number: int, product: Product, price: float, rng: random.Random) -> Iterable[_Group]:
    # An instruction without attributes stops the original with an assertion; here such a product has no goals.
    if product.instruction is None or not product.instruction_attributes:
        return []
    count = prod(len(values) for values in product.options.values())
    return [_Group(number, 0, count, _limit(price, rng), product.instruction_attributes)]


def _human(number: int, product: Product, price: float, rng: random.Random) -> Iterable[_Group]:
    return [
        _Group(number, record, 1, _limit(price, rng), human.attributes)
        for record, human in enumerate(product.humans)
        if human.attributes
    ]


def _limit(price: float, rng: random.Random) -> float:
    """Draw two of the next four multiples of ten above the price, and return the greater, in dollars."""
    candidates = [step for step in _STEPS if step > price][:4]
    return max(rng.sample(candidates, 2)) if len(candidates) >= 2 else NO_LIMIT


def _weights(groups: Sequence[_Group], kind: GoalKind) -> list[float]:
    """Weight of each group's goals. Goals with rare attributes weigh more; all human goals weigh the same."""
    if kind == "human":
        return [1.0] * len(groups)
    carriers: Counter[str] = Counter()
    for group in groups:
        for attribute in group.attributes:
            carriers[attribute] += group.count
    return [
        sum(1.0 / carriers[a] for a in group.attributes) / len(group.attributes) if group.count else 0.0
        for group in groups
    ]


def _shuffled(groups: Sequence[_Group], weights: Sequence[float]) -> Drawn:
    counts = np.array([g.count for g in groups], np.int64)
    order = array("Q", range(int(counts.sum())))
    random.Random(SHUFFLE_SEED).shuffle(order)
    places = np.frombuffer(order, np.uint64).astype(np.int64) if len(order) else np.zeros(0, np.int64)
    owner = np.repeat(np.arange(len(groups)), counts)
    begin = np.repeat(np.cumsum(counts) - counts, counts)
    choice = np.arange(len(owner)) - begin + np.array([g.first for g in groups], np.int64)[owner]
    return Drawn(
        product=np.array([g.product for g in groups], np.uint32)[owner][places],
        choice=choice.astype(np.uint32)[places],
        limit=np.array([g.limit for g in groups], np.float64)[owner][places],
        weight=np.array(weights, np.float64)[owner][places],
    )
