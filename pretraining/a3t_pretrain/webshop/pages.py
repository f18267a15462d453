"""Reads pages of the shop for the scripts of exercises, from the text and from what can be clicked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from ..scripts import Seen

__all__ = ["Listed", "ShopPage", "clickable", "instruction_in", "pieces_of", "read_page", "with_instruction"]

SEPARATOR = " [SEP] "
_LABEL = f"Instruction:{SEPARATOR}"
_ASIN = re.compile(r"[A-Z0-9]{10}")
PageKind = Literal["start", "results", "item", "sub", "done"]


@dataclass(frozen=True, slots=True)
class Listed:
    """A product as a page of results shows it."""

    asin: str
    title: str
    price: str


@dataclass(frozen=True, slots=True)
class ShopPage:
    """`products` of a page of results, in order; `title`, `price` and `options` (group → values) of an item page."""

    kind: PageKind
    products: tuple[Listed, ...] = ()
    title: str = ""
    price: str = ""
    options: dict[str, list[str]] = field(default_factory=dict)


def clickable(name: str) -> str:
    """The action that clicks something, as the env service spells it."""
    return f"click[{name.lower()}]"


def pieces_of(observation: str) -> list[str]:
    """The pieces of a page in the mode `text`."""
    return observation.split(SEPARATOR)


def instruction_in(observation: str) -> str:
    """The instruction that a page shows; empty if it shows none."""
    return observation.partition(_LABEL)[2].partition(SEPARATOR)[0]


def with_instruction(observation: str, line: str) -> str:
    """Replace the instruction of a page. A page that shows none stays unchanged."""
    head, label, tail = observation.partition(_LABEL)
    _, end, rest = tail.partition(SEPARATOR)
    return f"{head}{label}{line}{end}{rest}" if label else observation


def read_page(seen: Seen) -> ShopPage:
    """Read a page. Never raises, whatever the text."""
    pieces = pieces_of(seen.observation)
    if pieces[0] == "WebShop":
        return ShopPage("start")
    if pieces[0].startswith("Thank you for shopping"):
        return ShopPage("done")
    if any(piece.startswith("Page ") and "(Total results:" in piece for piece in pieces):
        return ShopPage("results", tuple(_products(pieces)))
    return _item(pieces, frozenset(seen.actions)) if "Buy Now" in pieces else ShopPage("sub")


def _products(pieces: list[str]) -> Iterable[Listed]:
    for asin, title, price in zip(pieces, pieces[1:], pieces[2:], strict=False):
        if _ASIN.fullmatch(asin) and price.startswith("$"):
            yield Listed(asin, title, price)


def _item(pieces: list[str], actions: frozenset[str]) -> ShopPage:
    """Read an item page. Between `< Prev` and the title, texts that can be clicked are option values, other texts
    are names of groups.
    """
    at = next((i for i, piece in enumerate(pieces) if piece.startswith("Price: ")), len(pieces))
    start = pieces.index("< Prev") + 1 if "< Prev" in pieces else at
    options: dict[str, list[str]] = {}
    group = ""
    for piece in pieces[start : at - 1]:
        if clickable(piece) in actions:
            options.setdefault(group, []).append(piece)
        else:
            group = piece
    price = pieces[at].removeprefix("Price: ") if at < len(pieces) else ""
    return ShopPage("item", (), pieces[at - 1] if at else "", price, options)
