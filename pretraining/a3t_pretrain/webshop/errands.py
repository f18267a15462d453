"""Errands in the shop: instructions that say what to search for, which product to open, and what to do there.

A search has the words that the line names and the values of its options.

search    "search for slow roasted oat bars"
open      "search for oat bar, and open Railziond Slow Roasted Oat Bar I705": on the first pages of results
choose    the same, "with flavor: honey, and size: pack of 1"
buy       "search for oat bar, and buy Railziond Slow Roasted Oat Bar I705 with flavor: honey"; more often "search for
          slow roasted oat bars, and buy the first one with flavor: honey"
read      "search for oat bar, and read the features of Railziond Slow Roasted Oat Bar I705"
hunt      "search for slow roasted oat bars, and open one with flavor: honey, and size: pack of 1": one result after the
          other until one has them; nothing is bought. Or "and read the features of one with flavor: honey", or, as
          goals are worded, only "search for slow roasted oat bars with flavor: honey"
wander    "look around": clicks drawn at random
begun     any of choose, buy and hunt, up to the search. Such exercises are short, and the words to copy into a search
          are what a model of this size learns last

In place of "search for", a line may begin with another wording, such as "find me" or "look for", or a capital. None
tells what a goal of the shop asks for: a product that is bought is named by its title or its place in the results, and
a product that must be looked for is not bought. Half of the lines with options end in a price limit that every product
meets, worded as in goals.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..exercises import Exercise
from .scripts import Item, ShopErrand, run_errand, wander_shop

__all__ = ["OPENINGS", "Shelves", "core_of", "draw_shop_exercise"]

OPENINGS = ("search for", "find me", "look for", "show me", "get me", "i am looking for", "i need", "i want")
"""Ways to begin a line; each also with a capital."""
_WEIGHTS = {
    "search": 8,
    "open": 10,
    "choose": 10,
    "buy": 10,
    "first": 15,
    "read": 3,
    "hunt": 40,
    "wander": 4,
    "begun": 100,
}
_KIND = {"first": "buy", "begun": "search"}
_SLIPPING = 0.45
"""Share (0 to 1) of the exercises with slips."""
_SLIP_RATE = 0.2
_RANKS = (0.5, 0.2, 0.15, 0.15)
"""Number of first results from which a hunt takes its options."""
_LIMITS = (300, 990)


@dataclass(slots=True)
class Shelves:
    """Results of scouting: products by ASIN, and the first results of searches."""

    items: dict[str, Item] = field(default_factory=dict)
    found: dict[str, list[str]] = field(default_factory=dict)


def core_of(instruction: str) -> str:
    """The kinds and qualities that a goal of the shop asks for."""
    return instruction.removeprefix("Find me ").partition(" with ")[0].partition(", and price")[0].strip()


def draw_shop_exercise(shelves: Shelves, rng: random.Random) -> Exercise | None:
    """Draw an exercise; None if the draw does not fit."""
    kind = rng.choices(tuple(_WEIGHTS), tuple(_WEIGHTS.values()))[0]
    if kind == "wander":
        query = _part(rng.choice(list(shelves.found)), rng)
        line = _opened(f"{query}, and look around", rng)
        return Exercise("wander", line, lambda start: wander_shop(start, query, rng))
    drawn = _begun(shelves, rng) if kind == "begun" else _drawn(kind, shelves, rng)
    if drawn is None:
        return None
    errand, asked = drawn
    line = _opened(asked, rng)
    slips = _SLIP_RATE if rng.random() < _SLIPPING else 0.0
    return Exercise(_KIND.get(kind, kind), line, run_errand(errand, rng, slips))


def _drawn(kind: str, shelves: Shelves, rng: random.Random) -> tuple[ShopErrand, str] | None:
    """An errand of a kind, and the line without its opening."""
    if kind == "hunt":
        return _hunt(shelves, rng)
    return _first(shelves, rng) if kind == "first" else _named(kind, shelves, rng)


def _begun(shelves: Shelves, rng: random.Random) -> tuple[ShopErrand, str] | None:
    """The search of an errand that names options; it ends there."""
    kinds = ("choose", "buy", "first", "hunt")
    drawn = _drawn(rng.choices(kinds, [_WEIGHTS[kind] for kind in kinds])[0], shelves, rng)
    return None if drawn is None else (ShopErrand(drawn[0].query), drawn[1])


def _named(kind: str, shelves: Shelves, rng: random.Random) -> tuple[ShopErrand, str] | None:
    """An errand that names its product by the whole title."""
    item = shelves.items[rng.choice(list(shelves.items))]
    words = item.title.lower().split()[1:-1]
    if kind == "search":
        query = _part(rng.choice(list(shelves.found)), rng) if rng.random() < 0.7 else " ".join(words)
        return ShopErrand(query), query
    if len(words) < 2:
        return None
    query = " ".join(words if rng.random() < 0.6 else words[rng.randrange(len(words) - 1) :])
    options = _wished(item, rng)
    if kind == "choose" and not options:
        return None
    if kind == "open":
        return ShopErrand(query, item.title), f"{query}, and open {item.title}"
    if kind == "read":
        page = rng.choice(("description", "features"))
        return (
            ShopErrand(query, item.title, {}, f"click[{page}]"),
            f"{query}, and read the {page} of {item.title}",
        )
    verb, last = ("open", "") if kind == "choose" else ("buy", "click[buy now]")
    line = f"{query}, and {verb} {item.title}{_tail(options, rng)}"
    return ShopErrand(_with_values(query, options), item.title, options, last), line


def _hunt(shelves: Shelves, rng: random.Random) -> tuple[ShopErrand, str] | None:
    """An errand that says which options to look for in what a search shows."""
    core = rng.choice(list(shelves.found))
    asins = [asin for asin in shelves.found[core] if asin in shelves.items]
    rank = rng.choices(range(len(_RANKS)), _RANKS)[0]
    if rank >= len(asins):
        return None
    options = _wished(shelves.items[asins[rank]], rng)
    if not options:
        return None
    tail = _tail(options, rng)
    asked = rng.choice((f"{core}{tail}", f"{core}, and open one{tail}", ""))
    query = _with_values(core, options)
    if asked:
        return ShopErrand(query, None, options), asked
    page = rng.choice(("description", "features"))
    return (
        ShopErrand(query, None, options, f"click[{page}]"),
        f"{core}, and read the {page} of one{tail}",
    )


def _first(shelves: Shelves, rng: random.Random) -> tuple[ShopErrand, str] | None:
    """An errand that buys the first result; it is given up if that lacks an option that is named."""
    core = rng.choice(list(shelves.found))
    item = shelves.items.get(next(iter(shelves.found[core]), ""))
    if item is None:
        return None
    options = _wished(item, rng)
    return (
        ShopErrand(_with_values(core, options), None, options, "click[buy now]", only_first=True),
        f"{core}, and buy the first one{_tail(options, rng)}",
    )


def _with_values(words: str, options: dict[str, str]) -> str:
    """What to search for: some words and the values of options, as the shop's scripted shopper does."""
    return " ".join([words, *options.values()]).lower()


def _opened(asked: str, rng: random.Random) -> str:
    """A line that asks for something, with one of the openings."""
    opening = rng.choice(OPENINGS)
    return f"{opening.capitalize() if rng.random() < 0.5 else opening} {asked}"


def _wished(item: Item, rng: random.Random) -> dict[str, str]:
    """One value of each group, in the groups' order, sometimes of one group only."""
    groups = sorted(item.options)
    if len(groups) > 1 and rng.random() < 0.2:
        groups = [rng.choice(groups)]
    return {group: rng.choice(item.options[group]) for group in groups}


def _tail(options: dict[str, str], rng: random.Random) -> str:
    named = ", and ".join(f"{group}: {value}" for group, value in options.items())
    limit = f", and price lower than {rng.randrange(*_LIMITS, 10):.2f} dollars" if rng.random() < 0.5 else ""
    return (f" with {named}" if named else "") + limit


def _part(core: str, rng: random.Random) -> str:
    """A part of what a goal asks for: its end, which has the kind of product, or all of it."""
    parts: Sequence[str] = core.split(", ")
    return ", ".join(parts[rng.randrange(len(parts)) :])
