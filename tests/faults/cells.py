"""The table of faults: each cell is a fault to a part in a phase of a run of two rounds.

A run costs more than a fault, so cells share runs: each run has a place for one cell in each phase of each round.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["PHASES", "ROWS", "Cell", "Row", "Stop", "Trip", "cells", "drawn", "trips_of"]

PHASES = ("demonstrate", "rollout", "compose", "train", "go_live", "evaluate")
"""In the order in which they begin; `evaluate` is that of the last agent, because nothing else happens beside it."""
DRAWN = 14
"""Cells of one `make test-faults`, unless `FAULTS` says otherwise."""
_PLACES = (
    (0, ("demonstrate",)),
    (1, ("rollout",)),
    (1, ("compose",)),
    (1, ("train", "go_live")),
    (2, ("rollout",)),
    (2, ("compose",)),
    (2, ("train", "go_live")),
    (2, ("evaluate",)),
)
"""Places of a run for cells, in their order: a round, and the phases of which one can be disturbed there."""
_WHOLE_RUN = ("twice",)
"""Faults that last for a whole run, which they do not share with others."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A fault to a part in a phase."""

    fault: str
    part: str
    phase: str

    def __str__(self) -> str:
        return "-".join((self.fault, self.part, self.phase)).replace(" ", "_")


@dataclass(frozen=True, slots=True)
class Row:
    """Cells of one fault to one part, in the order of the phases."""

    fault: str
    part: str
    phases: tuple[str, ...]

    @property
    def cells(self) -> list[Cell]:
        return [Cell(self.fault, self.part, phase) for phase in self.phases]

    def __str__(self) -> str:
        return f"{self.fault}-{self.part}".replace(" ", "-")


_ROWS = {
    "kill": {
        "worker": "demonstrate rollout compose evaluate",
        "env": "demonstrate rollout compose evaluate",
        "policy": "rollout compose go_live evaluate",
        "actre": "compose",
        "trainer": "train go_live",
        "training": "train",
        "orchestrator": "demonstrate rollout compose train go_live evaluate",
        "redis": "demonstrate rollout compose train evaluate",
        "postgres": "demonstrate rollout compose train go_live evaluate",
    },
    "freeze": {
        "worker": "rollout compose evaluate",
        "env": "rollout compose evaluate",
        "policy": "rollout compose go_live evaluate",
        "actre": "compose",
        "trainer": "train",
        "training": "train",
        "orchestrator": "rollout train go_live",
        "redis": "rollout compose train",
        "postgres": "rollout train go_live evaluate",
    },
    "refuse": {
        "env": "rollout",
        "policy": "compose go_live",
        "actre": "compose",
        "trainer": "train",
        "redis": "rollout",
        "postgres": "compose",
    },
    "cut": {
        "worker to env": "rollout compose",
        "worker to policy": "rollout evaluate",
        "worker to actre": "compose",
        "orchestrator to trainer": "train",
    },
    "drop": {
        "worker to env": "rollout",
        "worker to policy": "rollout evaluate",
        "worker to actre": "compose",
        "worker to redis": "rollout",
        "worker to postgres": "compose",
        "orchestrator to redis": "rollout",
        "orchestrator to postgres": "rollout train",
        "orchestrator to policy": "go_live",
        "orchestrator to trainer": "train",
    },
    "away a minute": {"postgres": "rollout"},
    "full disk": {"registry": "train"},
    "flipped byte": {"adapter": "go_live"},
    "twice": {"messages": "demonstrate rollout compose evaluate"},
    "clock back": {"worker": "rollout evaluate", "orchestrator": "rollout train", "both": "compose"},
    "clock forward": {"worker": "compose", "orchestrator": "compose", "both": "rollout"},
}
ROWS = [Row(fault, part, tuple(phases.split())) for fault, parts in _ROWS.items() for part, phases in parts.items()]


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a run stands still, and what is done to it there."""

    cell: Cell
    round: int


@dataclass(slots=True)
class Trip:
    """A run with its stops, in their order."""

    places: dict[int, Stop] = field(default_factory=dict)

    @property
    def stops(self) -> list[Stop]:
        return [self.places[place] for place in sorted(self.places)]

    @property
    def whole(self) -> str | None:
        """The fault that lasts for the whole run."""
        return next((s.cell.fault for s in self.places.values() if s.cell.fault in _WHOLE_RUN), None)

    def takes(self, cell: Cell) -> bool:
        """Whether there was a place for the cell, which it then has."""
        if self.places and self.whole != (cell.fault if cell.fault in _WHOLE_RUN else None):
            return False
        for place, (number, phases) in enumerate(_PLACES):
            if place not in self.places and cell.phase in phases:
                self.places[place] = Stop(cell, number)
                return True
        return False


def cells() -> list[Cell]:
    """Every cell of the table."""
    return [cell for row in ROWS for cell in row.cells]


def drawn(wanted: str, seed: str, missing: Iterable[Cell] = ()) -> list[Cell]:
    """Cells in an order that the seed draws: so many of them, `all`, the `missing` ones for `rest`, or those whose
    names begin with one of the words of a list."""
    shuffled = random.Random(seed).sample(cells(), len(cells()))
    if wanted == "all":
        return shuffled
    if wanted == "rest":
        left = set(missing)
        return [cell for cell in shuffled if cell in left]
    if wanted.isdigit():
        return shuffled[: int(wanted)]
    return [cell for cell in shuffled if str(cell).startswith(tuple(wanted.split(",")))]


def trips_of(chosen: Iterable[Cell]) -> list[Trip]:
    """As few runs as have a place for each cell."""
    trips: list[Trip] = []
    for cell in chosen:
        if not any(trip.takes(cell) for trip in trips):
            trips.append(Trip())
            assert trips[-1].takes(cell)
    return trips
