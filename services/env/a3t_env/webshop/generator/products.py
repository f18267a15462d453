"""Generates products from a seed. Each product depends only on the seed and its own number."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from ..catalogue.records import NO_PRICE, HumanInstruction, Product
from ..catalogue.sources import Source, Sourced
from .kinds import KINDS, ProductKind

__all__ = ["GeneratedProducts"]

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SPACE = 36**9
_STRIDE = 48_271_330_459_373
"""Odd and not a multiple of 3: multiplying by it permutes the numbers below 36⁹."""

_ONSETS = ("b", "br", "d", "dr", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "st", "t", "tr", "v", "w", "z")
_NUCLEI = ("a", "e", "i", "o", "u", "ai", "ea", "io", "ou")
_CODAS = ("", "l", "m", "n", "r", "s", "x", "nd", "rk", "sk")
_INSTRUCTED, _HUMAN = 0.5, 0.15
_NO_PRICE, _RANGE = 0.06, 0.1


@dataclass(frozen=True)
class GeneratedProducts(Source):
    """A source of `count` generated products."""

    count: int
    seed: int = 0

    @property
    @override
    def total(self) -> int:
        return self.count

    def fingerprint(self) -> dict[str, Any]:
        """Count, seed and the version of the grammar."""
        return {"generated": self.count, "seed": self.seed, "grammar": 1}

    @override
    def read(self, position: int = 0, number: int = 0) -> Iterator[Sourced]:
        for index in range(position, self.count):
            yield Sourced(_product(index, random.Random(self.seed * _SPACE + index)), index + 1)


def _product(index: int, rng: random.Random) -> Product:
    kind = rng.choice(KINDS)
    brand, model = _word(rng, 2).title(), f"{rng.choice(_DIGITS[10:])}{rng.randint(10, 999)}"
    qualities = rng.sample(kind.qualities, rng.randint(2, 4))
    options = _options(kind, rng)
    title = f"{brand} {qualities[0].title()} {kind.singular.title()} {model}"
    instructed = rng.random() < _INSTRUCTED
    wanted = sorted(rng.sample(qualities, rng.randint(1, min(3, len(qualities)))))
    return Product(
        asin=_asin(index),
        title=title,
        description=_description(brand, kind, qualities, rng),
        bullets=_bullets(kind, qualities, rng),
        pricing=_pricing(kind, rng),
        options=options,
        attributes=qualities,
        category=kind.category,
        query=kind.plural,
        product_category=kind.path,
        instruction=f"Find me {', '.join(wanted)} {kind.plural}" if instructed else None,
        instruction_attributes=wanted if instructed else [],
        humans=[_human(kind, wanted, options, rng)] if rng.random() < _HUMAN else [],
    )


def _asin(index: int) -> str:
    """The ASIN of a product: `G` and nine characters that look random. It differs for every index."""
    number, digits = index * _STRIDE % _SPACE, []
    for _ in range(9):
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    return "G" + "".join(digits)


def _word(rng: random.Random, syllables: int) -> str:
    return "".join(rng.choice(_ONSETS) + rng.choice(_NUCLEI) + rng.choice(_CODAS) for _ in range(syllables))


def _options(kind: ProductKind, rng: random.Random) -> dict[str, list[str]]:
    """Some values of each option group, in the order of the group; sometimes a group is left out."""
    groups = list(kind.options)
    if rng.random() < 0.25:
        groups.remove(rng.choice(groups))
    chosen = {}
    for group in groups:
        values = kind.options[group]
        kept = set(rng.sample(values, rng.randint(2, min(4, len(values)))))
        chosen[group] = [value for value in values if value in kept]
    return chosen


def _pricing(kind: ProductKind, rng: random.Random) -> list[float]:
    draw, (low, high) = rng.random(), kind.price
    price = round(rng.uniform(low, high), 2)
    if draw < _NO_PRICE:
        return [NO_PRICE]
    return [price, round(price * rng.uniform(1.1, 1.6), 2)] if draw < _NO_PRICE + _RANGE else [price]


def _bullets(kind: ProductKind, qualities: list[str], rng: random.Random) -> list[str]:
    use = rng.choice(("every day", "small homes", "long trips", "a busy week", "guests", "the whole family"))
    care = rng.choice(("Comes in a plain box", "Made in small batches", "Checked by hand", "Returned free of charge"))
    return [f"{', '.join(qualities).capitalize()}", f"Made for {use}", f"{care}, {kind.singular} and leaflet included"]


def _description(brand: str, kind: ProductKind, qualities: list[str], rng: random.Random) -> str:
    opening = rng.choice(("A", "Our", "The new", "A well made"))
    place = rng.choice(("at home", "on the road", "in the office", "all year round", "in any season"))
    return f"{opening} {kind.singular} by {brand} for use {place}. Known for: {' and '.join(qualities[:2])}."


def _human(kind: ProductKind, wanted: list[str], options: dict[str, list[str]], rng: random.Random) -> HumanInstruction:
    """An instruction as a person might write it; it names option values, but not their groups."""
    values = [rng.choice(options[group]) for group in sorted(options)]
    opening = rng.choice(("i am looking for", "i need", "can you find me", "show me"))
    tail = f" in {' and '.join(values)}" if values else ""
    return HumanInstruction(f"{opening} {kind.plural} that are {' and '.join(wanted)}{tail}.", wanted, values)
