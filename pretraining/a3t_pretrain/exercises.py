"""Exercises: scripts that play games of the household for practice. None of them solves a game's own task.

find      "find a mug": go through receptacles until one is seen, take it (a lamp: use it).
errand    instructions that say which thing to fetch from where, and each thing to do with it, in several wordings:
          "take mug 2 from shelf 1 to desk 3", "clean mug 2 from shelf 1", "make mug 2 from shelf 1 hot",
          "clean mug 2 from shelf 1 with sinkbasin 1 and put it in desk",
          "look at mug 2 from shelf 1 under desklamp 1 at desk 2", "take two mug 2 from shelf 1 and mug 1 from desk 2
          to sofa". Half of the places are named by their type only ("to desk"). Of two things, the second may have to
          be looked for, and so may a lamp: "take two mug to sofa, mug 2 from shelf 1", "look at mug 2 from
          shelf 1 under a desklamp", "examine the mug 2 from shelf 1 with the desklamp".
wander    "look around": actions drawn at random.

Some find and errand scripts make slips (deliberate mistakes): they take an object that is not there, go to a place that
does not exist, was seen already or is wrong, or leave an object there. Some make the same mistake several times in a
row. The model thus learns to continue after a mistake. A slip itself is never trained on (see `sequences`).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from .errands import draw_errand
from .scripts import MOST_VISITS, Script, Seen, Slips, errand, find, type_of, wander
from .searching import Usual, search_order

__all__ = ["Exercise", "Rooms", "draw_exercise"]

_LONG_SEARCHES = 0.4
"""Share (0 to 1) of the searches for an object that is not in the first places, if there is such an object."""
_LONG = 5
_SLIPPING = 0.55
"""Share (0 to 1) of the exercises with slips."""
_SLIP_RATE = 0.15


@dataclass(frozen=True, slots=True)
class Exercise:
    """A task line and the script for it."""

    kind: str
    task: str
    script: Callable[[Seen], Script]


@dataclass(slots=True)
class Rooms:
    """Results of scouting: receptacle → objects by task id, and how often objects are in which places."""

    contents: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    usual: Usual = field(default_factory=Usual)

    def add(self, task_id: str, contents: dict[str, list[str]]) -> None:
        """Store what was found in the rooms of a task: receptacle → objects."""
        self.contents[task_id] = contents
        self.usual.add(contents)


def draw_exercise(task_id: str, rooms: Rooms, rng: random.Random) -> Exercise | None:
    """An exercise in the room of a task; None if the draw does not fit the room."""
    kind = rng.choices(("find", "errand", "wander"), (0.16, 0.80, 0.04))[0]
    contents = rooms.contents[task_id]
    if kind == "wander":
        return Exercise("wander", "look around", lambda start: wander(start, rng))
    slips = _SLIP_RATE if rng.random() < _SLIPPING else 0.0
    return (
        _draw_find(contents, rooms.usual, rng, slips)
        if kind == "find"
        else _draw_errand(contents, rooms.usual, rng, slips)
    )


def _draw_find(contents: dict[str, list[str]], usual: Usual, rng: random.Random, slips: float) -> Exercise | None:
    """A search for something that is in the first places, or sometimes only in later ones."""
    types = sorted({type_of(item) for items in contents.values() for item in items})
    orders = {name: search_order(list(contents), rng, usual.of(name)) for name in types}
    first_seen: dict[str, int] = {}
    for wanted, order in orders.items():
        holding = (i for i, r in enumerate(order[:MOST_VISITS]) if wanted in map(type_of, contents[r]))
        if (index := next(holding, None)) is not None:
            first_seen[wanted] = index
    if not first_seen:
        return None
    late = [name for name, index in first_seen.items() if index >= _LONG]
    wanted = rng.choice(late if late and rng.random() < _LONG_SEARCHES else list(first_seen))
    order = orders[wanted]
    return Exercise("find", f"find a {wanted}", lambda _: find(wanted, order, Slips(order, wanted, slips, rng)))


def _draw_errand(contents: dict[str, list[str]], usual: Usual, rng: random.Random, slips: float) -> Exercise | None:
    drawn = draw_errand(contents, usual, rng)
    if drawn is None:
        return None
    slipping = Slips(list(contents), type_of(drawn.thing), slips, rng)
    return Exercise("errand", drawn.task, lambda _: errand(drawn.stops, slipping, drawn.hunt))
