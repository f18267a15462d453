"""Goals by number. Their texts are made on demand; the random draws are stored with the catalogue."""

from __future__ import annotations

import os
import random
import shutil
import string
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from a3t_contracts.errors import NotFoundError

from ..catalogue.records import Product
from ..catalogue.store import Catalogue
from ..columns import mapped
from .draw import DEFAULT_SEED, NO_LIMIT, Drawn, GoalKind, draw_goals

__all__ = ["GoalTable", "ShopGoal"]

_COLUMNS = ("product", "choice", "limit", "weight")


@dataclass(frozen=True, slots=True)
class ShopGoal:
    """What an episode asks for. `options`: value by group name (synthetic), or the wanted values (human)."""

    index: int
    product: int
    asin: str
    instruction: str
    attributes: list[str]
    options: dict[str, str] | list[str]
    price_limit: float
    category: str
    query: str
    product_category: str
    title: str
    weight: float


class GoalTable:
    """The goals of one kind in the original's shuffled order. The draws are read from the catalogue's folder."""

    def __init__(self, catalogue: Catalogue, kind: GoalKind, seed: int = DEFAULT_SEED) -> None:
        self.catalogue, self.kind, self.seed = catalogue, kind, seed
        folder = catalogue.folder / "goals" / f"{kind}-{seed}"
        if not folder.is_dir():
            _save(folder, *draw_goals(catalogue, kind, seed))
        self.prices: npt.NDArray[np.float64] = mapped(folder / "prices", np.float64)
        self._drawn = Drawn(
            product=mapped(folder / "product", np.uint32),
            choice=mapped(folder / "choice", np.uint32),
            limit=mapped(folder / "limit", np.float64),
            weight=mapped(folder / "weight", np.float64),
        )

    def __len__(self) -> int:
        return len(self._drawn.product)

    def goal(self, index: int) -> ShopGoal:
        """The goal with this number. Raises NotFoundError."""
        if not 0 <= index < len(self):
            raise NotFoundError(
                f"There is no {self.kind} goal {index}.", hint=f"The {len(self)} goals have numbers from 0."
            )
        number, choice = int(self._drawn.product[index]), int(self._drawn.choice[index])
        limit = float(self._drawn.limit[index])
        product = self.catalogue.product(number)
        wording = _synthetic if self.kind == "synthetic" else _human
        text, attributes, options = wording(product, choice)
        return ShopGoal(
            index=index,
            product=number,
            asin=product.asin,
            instruction=text + (f", and price lower than {limit:.2f} dollars" if limit != NO_LIMIT else ""),
            attributes=attributes,
            options=options,
            price_limit=limit,
            category=product.category,
            query=product.query,
            product_category=product.product_category,
            title=product.title,
            weight=float(self._drawn.weight[index]),
        )

    def products(self) -> npt.NDArray[np.uint32]:
        """Product number of every goal."""
        return self._drawn.product

    def draw(self, rng: random.Random) -> int:
        """Draw the number of a goal, as the original does for a session without a number.

        The original is off by one: goal 0 is never drawn, goal i has the weight of goal i − 1, the last goal has two
        weights.
        """
        position = rng.uniform(0, self._cumulative[-1])
        return min(bisect_right(self._cumulative, position), len(self) - 1)

    def random_reset(self, rng: random.Random) -> tuple[str, int]:
        """Session id and goal of the original's `reset()` without arguments."""
        name = "".join(rng.choices(string.ascii_lowercase, k=10))
        return name, self.draw(rng)

    @cached_property
    def _cumulative(self) -> list[float]:
        return [0.0, *np.cumsum(self._drawn.weight).tolist()]


def _synthetic(product: Product, choice: int) -> tuple[str, list[str], dict[str, str] | list[str]]:
    """Text, attributes and options of the `choice`-th combination. Groups are sorted by name; the last one varies
    fastest.
    """
    options: dict[str, str] = {}
    for name in sorted(product.options, reverse=True):
        choice, place = divmod(choice, len(product.options[name]))
        options[name] = product.options[name][place]
    options = dict(reversed(options.items()))
    wanted = ", and ".join(f"{name}: {value}" for name, value in options.items())
    text = (product.instruction or "") + (f" with {wanted}" if wanted else "")
    return text, product.instruction_attributes, options


def _human(product: Product, choice: int) -> tuple[str, list[str], dict[str, str] | list[str]]:
    human = product.humans[choice]
    return human.text.strip("."), human.attributes, human.options


def _save(folder: Path, prices: npt.NDArray[np.float64], drawn: Drawn) -> None:
    """Write the draws atomically. If two processes write at once, one of them wins."""
    work = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    for name in _COLUMNS:
        getattr(drawn, name).tofile(work / name)
    prices.tofile(work / "prices")
    try:
        work.rename(folder)
    except OSError:
        shutil.rmtree(work, ignore_errors=True)
        if not folder.is_dir():
            raise
