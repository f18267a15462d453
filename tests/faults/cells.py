"""The table of faults: each cell is a fault to a part in a phase of a run of two rounds. The cells of a row, which have
fault and part in common, strike one run, phase after phase."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["PHASES", "ROWS", "Cell", "Row", "cells", "drawn_rows"]

PHASES = ("demonstrate", "rollout", "compose", "train", "go_live", "evaluate")
"""In the order in which they begin; `evaluate` is that of the last agent, because nothing else happens beside it."""
DRAWN = 14
"""Cells of one `make test-faults`, unless `FAULTS` says otherwise."""


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
    "away a minute": {"postgres": "rollout train"},
    "full disk": {"registry": "train"},
    "flipped byte": {"adapter": "go_live"},
    "twice": {"messages": "demonstrate rollout compose evaluate"},
    "clock back": {"worker": "rollout evaluate", "orchestrator": "rollout train", "both": "compose"},
    "clock forward": {"worker": "compose", "orchestrator": "compose", "both": "rollout"},
}
ROWS = [Row(fault, part, tuple(phases.split())) for fault, parts in _ROWS.items() for part, phases in parts.items()]


def cells() -> list[Cell]:
    """Every cell of the table."""
    return [cell for row in ROWS for cell in row.cells]


def drawn_rows() -> list[Row]:
    """The rows to try, with the cells that `FAULTS` and `FAULTS_SEED` draw: so many cells, `all`, or the rows whose
    names begin with one of the words of a list."""
    wanted = os.environ.get("FAULTS", str(DRAWN))
    if wanted == "all":
        return ROWS
    if not wanted.isdigit():
        return [row for row in ROWS if str(row).startswith(tuple(wanted.split(",")))]
    chosen = random.Random(os.environ.get("FAULTS_SEED", "0")).sample(cells(), min(int(wanted), len(cells())))
    return list(_of(chosen))


def _of(chosen: Sequence[Cell]) -> list[Row]:
    rows = (Row(r.fault, r.part, tuple(c.phase for c in r.cells if c in chosen)) for r in ROWS)
    return [row for row in rows if row.phases]
