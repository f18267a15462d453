"""Rooms in a row, an environment plug-in that needs no data and no time. A test can hold its steps in the middle of a
phase of a run: see `tests.support.holding`."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

__all__ = ["FOLDER", "WISH", "Rooms", "Wish"]

FOLDER = "A3T_TEST_HOLD"
"""Variable with the folder of the wish, and of the file that says that it is met."""
WISH = "wish.json"
_LONGEST_SECONDS = 100.0
"""Shorter than the env service's patience with a step, as `tests.support.holding` sets it."""
_STATES = text(
    "SELECT state, count(*) AS items FROM work_items WHERE run LIKE :run AND round = :round AND phase = :phase "
    "GROUP BY state"
)


@dataclass(frozen=True)
class Wish:
    """Where a test wants a run to stand still: in this phase, once some of its episodes are done and some are not.

    `database` is the SQLAlchemy URL of the work list, `run` a pattern for LIKE.
    """

    database: str
    round: int
    phase: str
    run: str = "%"

    @property
    def held(self) -> str:
        """Name of the file that says that a step waits."""
        return f"held-{self.run.strip('%')}-{self.round}-{self.phase}"

    def is_met(self) -> bool:
        with _engine(self.database).connect() as connection:
            place = {"run": self.run, "round": self.round, "phase": self.phase}
            counts = {row.state: row.items for row in connection.execute(_STATES, place)}
        return bool(counts.get("done")) and any(counts.get(s) for s in ("pending", "queued", "running"))


class Rooms:
    """The agent stands in the first room and wins when it takes the flag in the last one."""

    about = """
        The agent stands in the first of some rooms in a row. It wins when it takes the flag in the last room.
        Actions: go right, go left, take flag
    """
    success = "the flag is taken"
    max_steps = 6
    splits = {"train": 40, "test": 20}  # noqa: RUF012

    def reset(self, task: Any, seed: int) -> str:
        self.rooms, self.room = 2 + Random(task.seed).randrange(3), 0
        return f"You are in room 0 of {self.rooms}. Your task is to: take the flag."

    def step(self, action: str) -> Any:
        stand_still_where_asked()
        if action not in self.actions():
            return {"observation": "Nothing happens.", "reward": 0, "done": False, "valid": False}
        if action == "take flag":
            return "You won!", 1, True
        self.room += 1 if action == "go right" else -1
        return f"You are in room {self.room}.", 0, False

    def actions(self) -> list[str]:
        left = ["go left"] if self.room > 0 else []
        return left + (["take flag"] if self.room == self.rooms - 1 else ["go right"])

    def sample(self, seed: int) -> str:
        return Random(f"{seed}/{self.room}").choice(self.actions())

    def expert(self) -> str:
        return self.actions()[-1]


def stand_still_where_asked() -> None:
    """Return at once, unless a test wants the run to stand still here; then when it lets the run go on."""
    folder, until = os.environ.get(FOLDER), time.monotonic() + _LONGEST_SECONDS
    while folder is not None and time.monotonic() < until:
        try:
            wish = Wish(**json.loads((Path(folder) / WISH).read_bytes()))
            if not wish.is_met():
                return
            (Path(folder) / wish.held).touch()
        except FileNotFoundError:
            return
        except DBAPIError:  # the database is away, and so the phase cannot end
            time.sleep(0.1)
        time.sleep(0.02)


@cache
def _engine(url: str) -> Engine:
    return create_engine(url, pool_pre_ping=True)
