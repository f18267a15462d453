"""Makes a run stand still in the middle of a phase, however fast the machine is, and waits without missing its end."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tests.support.rooms import FOLDER, WISH, Wish

__all__ = ["ROOMS", "Hold", "until"]

_REPOSITORY = Path(__file__).parents[2]
ROOMS = {
    "environment": "rooms",
    "data": {"split": "train", "tasks": 5, "held_out": [{"split": "test", "tasks": 3}]},
}
"""Sections of a recipe that plays in the rooms."""


class Hold:
    """Makes a run stand still in the middle of a phase that plays, where no step of the rooms is answered then, until
    `release` or for 100 seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: Path | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def variables(self) -> dict[str, str]:
        """For the environment of the env service: its plug-in, and where this is asked for."""
        paths = [str(_REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {
            "A3T_ENV_PLUGINS": "rooms=tests.support.rooms:Rooms",
            "A3T_ENV_STEP_DEADLINE": "120",
            "PYTHONPATH": os.pathsep.join(paths),
            FOLDER: str(self.folder),
        }

    def ask(self, wish: Wish) -> None:
        """Let the run go on to where this wish says; asked before the phase begins, none can be missed."""
        self._held = self.folder / wish.held
        self._held.unlink(missing_ok=True)
        partial = self.folder / "partial"
        partial.write_text(json.dumps(asdict(wish)), encoding="utf-8")
        partial.replace(self.folder / WISH)

    @property
    def holds(self) -> bool:
        """Whether the run stands still where it was asked to."""
        return self._held is not None and self._held.exists()

    def release(self) -> None:
        """Let the run go on."""
        (self.folder / WISH).unlink(missing_ok=True)
        self._held = None


def until(met: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, seconds: float = 600) -> None:
    """Wait until something is so; fail at once, with the log, where the process ends before."""
    deadline = time.monotonic() + seconds
    while not met():
        ended = process.poll()
        assert ended is None or met(), f"the process ended ({ended}) before that:\n{_tail(log)}"
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s:\n{_tail(log)}"
        time.sleep(0.05)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-4000:] if log.exists() else "no log"
