"""A program of ours whose clock can jump, and whose messages can go out twice:
`python -m tests.support.disturbed MODULE`.

A test asks for both by files in the folder of `A3T_TEST_HOLD`: `clock-PROGRAM` holds the seconds by which the clock of
worker or orchestrator is off, and `twice` stands there while every message is sent twice; each one that was is a line
in `sent-twice`.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

CLOCK, TWICE, SENT = "clock", "twice", "sent-twice"

_real = time.time


def off(folder: Path, program: str) -> float:
    """Seconds by which the program's clock is off."""
    try:
        return float((folder / f"{CLOCK}-{program}").read_text())
    except (FileNotFoundError, ValueError):
        return 0.0


def bend_clock(clock: Callable[[], float]) -> None:
    """What tells the time of day here: `time.time`, and the store's own clock."""
    time.time = clock

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(clock(), tz)

    from a3t_orchestrator.store import tables

    tables.datetime = Clock  # type: ignore[misc]


def send_twice(folder: Path) -> None:
    """While it is asked for, every message of the queue."""
    from a3t_orchestrator.queue import app

    once = app.send_task

    def send(name: str, *arguments: Any, **named: Any) -> Any:
        sent = once(name, *arguments, **named)
        if (folder / TWICE).exists():
            with (folder / SENT).open("a") as file:
                file.write(f"{name}\n")
            once(name, *arguments, **named)
        return sent

    app.send_task = send


if __name__ == "__main__":
    module, place = sys.argv.pop(1), Path(os.environ["A3T_TEST_HOLD"])
    bend_clock(lambda: _real() + off(place, module.rpartition(".")[2].removeprefix("a3t_")))
    send_twice(place)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
