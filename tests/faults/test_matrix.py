"""Every part killed, and frozen, in the middle of every phase that it works in: the run ends by itself, with the ids,
actions and rewards of an undisturbed run of the same seed.

`FAULTS` is how many cells of the table are drawn by `FAULTS_SEED` (2, seed 0); `FAULTS=all` tries each.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from a3t_orchestrator.embedded import read_state
from a3t_orchestrator.store import Store, TrajectoryRow
from tests.faults.test_loop_faults import assert_nothing_lost_or_doubled, stack_of
from tests.faults.test_orchestrator_faults import played
from tests.support.holding import ROOMS, Hold, until
from tests.support.mini_loop import A3T, a3t, environment, write_recipe
from tests.support.rooms import Wish

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

PARTS_OF = {
    "rollout": ("worker", "env", "policy", "redis"),
    "compose": ("worker", "env", "policy", "actre", "redis"),
    "evaluate": ("worker", "env", "policy", "redis"),
}
FROZEN_SECONDS = {"worker": 45.0, "env": 45.0, "policy": 45.0, "actre": 45.0, "redis": 40.0}
"""Longer than the lease of an episode (30 s) and the timeouts of the queue."""


@dataclass(frozen=True)
class Cell:
    """One fault to one part in one phase."""

    fault: str
    part: str
    phase: str

    def __str__(self) -> str:
        return f"{self.fault}-{self.part}-{self.phase}"

    def strike(self, process: psutil.Process, hold: Hold) -> None:
        """Do it, and let the run go on."""
        if self.fault == "kill":
            process.kill()
            hold.release()
            return
        process.send_signal(signal.SIGSTOP)
        hold.release()
        try:
            time.sleep(FROZEN_SECONDS[self.part])
        finally:
            if process.is_running():
                process.send_signal(signal.SIGCONT)


CELLS = [
    Cell(fault, part, phase) for phase, parts in PARTS_OF.items() for part in parts for fault in ("kill", "freeze")
]


def drawn() -> list[Cell]:
    wanted = os.environ.get("FAULTS", "2")
    if wanted == "all":
        return CELLS
    return random.Random(os.environ.get("FAULTS_SEED", "0")).sample(CELLS, min(int(wanted), len(CELLS)))


def recipe_in(home: Path, model: Path) -> Path:
    home.mkdir()
    limits = {"max_steps": 6, "max_tokens": 8, "chunk": 2, "concurrency": 1}
    return write_recipe(home / "mini.yaml", model, rounds=1, limits=limits, **ROOMS)


def result_of(home: Path) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    store = Store(f"sqlite:///{home / 'a3t.db'}")
    try:
        with store.session() as session:
            names = {row.run for row in session.query(TrajectoryRow)}
        assert len(names) == 1
        return played(store, names.pop())
    finally:
        store.close()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    home, hold = folder / "home", Hold(folder / "hold")
    recipe = recipe_in(home, tiny_model)
    finished = a3t(home, "run", str(recipe), "--json", timeout=900, **hold.variables)
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["status"] == "finished"
    return result_of(home)


@pytest.mark.parametrize("cell", drawn(), ids=str)
def test_a_fault_changes_nothing_of_what_a_run_gives(
    cell: Cell, tmp_path: Path, tiny_model: Path, undisturbed: dict[tuple[Any, ...], tuple[Any, ...]]
) -> None:
    home, hold, log = tmp_path / "home", Hold(tmp_path / "hold"), tmp_path / "run.log"
    recipe = recipe_in(home, tiny_model)
    hold.ask(Wish(f"sqlite:///{home / 'a3t.db'}", 1, cell.phase))
    variables = environment(home) | hold.variables
    with log.open("wb") as out:
        running = subprocess.Popen([*A3T, "run", str(recipe)], env=variables, stdout=out, stderr=out)
    try:
        until(lambda: hold.holds, running, log)
        children = stack_of(home).children
        cell.strike(psutil.Process(children[cell.part].pid), hold)
        assert running.wait(900) == 0, log.read_text()
    finally:
        running.kill()
        running.wait()
    assert_nothing_lost_or_doubled(home)
    assert result_of(home) == undisturbed
    assert read_state(home) is None
    assert not [name for name, child in children.items() if child.lives()]
