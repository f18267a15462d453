"""Makes a run stand still in the middle of a phase, however fast the machine is, and waits without missing its end."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.support.rooms import FOLDER, WISH, Wish

__all__ = ["ROOMS", "Hold", "until"]

_REPOSITORY = Path(__file__).parents[2]
ROOMS = {
    "environment": "rooms",
    "data": {"split": "train", "tasks": 5, "held_out": [{"split": "test", "tasks": 3}]},
}
"""Sections of a recipe that plays in the rooms."""
_FILE = "file.json"


class Hold:
    """Makes a run stand still where it is asked to, until `release` or for 100 seconds: in the middle of a phase that
    plays, where no step of the rooms is answered then, or where a process opens or renames a file."""

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

    @property
    def inside(self) -> dict[str, str]:
        """`variables` that let a test into every process: what `ask_file` and a wrong clock need."""
        found = self.variables
        path = os.pathsep.join([str(_REPOSITORY / "tests/support/inside"), found["PYTHONPATH"]])
        return found | {"PYTHONPATH": path, "A3T_TEST_INSIDE": str(self.folder)}

    def ask(self, wish: Wish) -> None:
        """Let the run go on to where this wish says; asked before the phase begins, none can be missed."""
        self._ask(WISH, wish.held, asdict(wish), other=_FILE)

    def ask_file(self, path: str, program: str) -> None:
        """The same for a process whose command line has `program` and a file whose path has `path`."""
        held = f"held-{path.replace('/', '_')}"
        self._ask(_FILE, held, {"path": path, "program": program, "held": held}, other=WISH)

    @property
    def holds(self) -> bool:
        """Whether the run stands still where it was asked to."""
        return self._held is not None and self._held.exists()

    @property
    def pid(self) -> int:
        """The process that waits at the file."""
        assert self._held is not None
        return int(self._held.read_text())

    def release(self) -> None:
        """Let the run go on."""
        for name in (WISH, _FILE):
            (self.folder / name).unlink(missing_ok=True)
        self._held = None

    def _ask(self, name: str, held: str, content: dict[str, Any], other: str) -> None:
        self._held = self.folder / held
        self._held.unlink(missing_ok=True)
        partial = self.folder / "partial"
        partial.write_text(json.dumps(content), encoding="utf-8")
        partial.replace(self.folder / name)
        (self.folder / other).unlink(missing_ok=True)


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
