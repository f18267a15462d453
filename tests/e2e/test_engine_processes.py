"""A run is the same by its seed with one engine process and with two."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from a3t_orchestrator.store import Store
from tests.faults.test_orchestrator_faults import played
from tests.support.mini_loop import a3t, make_home, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def test_the_same_episodes_with_one_process_and_two(tmp_path: Path, tiny_model: Path) -> None:
    home = make_home(tmp_path / "home")
    recipe = write_recipe(home / "mini.yaml", tiny_model, compose={"samples": 3, "p": 0.3, "branch": 0.5})
    runs = {}
    for processes in ("1", "2"):
        name = f"with-{processes}"
        done = a3t(home, "run", str(recipe), "--name", name, timeout=800, A3T_POLICY_ENGINE_PROCESSES=processes)
        assert done.returncode == 0, done.stderr
        with closing(Store(f"sqlite:///{home / 'a3t.db'}")) as store:
            runs[processes] = played(store, name)
    assert len(runs["1"]) > 20
    assert runs["1"] == runs["2"]
