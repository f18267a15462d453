"""`a3t env`: the skeleton that it writes works, and its checks tell good environments from bad ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from a3t_contracts.errors import ConflictError, InvalidInputError
from a3t_env.authoring.new import write_skeleton

ROOT = Path(__file__).parents[3]
CLOCK = """
import itertools
told = itertools.count()
class Game:
    splits = {"train": 3}
    def reset(self, task, seed):
        return f"It is {next(told)}."
    def step(self, action):
        if not action.isalnum():
            raise ValueError("letters and digits only")
        return "Still.", 0, False
"""


def checked(subject: str, folder: Path) -> tuple[int, dict[str, dict[str, object]]]:
    """`a3t env check --json` in a folder: exit code, check → verdict."""
    command = [sys.executable, "-m", "a3t_env.authoring", "check", subject, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200, check=False)
    assert done.stdout, done.stderr
    return done.returncode, {verdict["check"]: verdict for verdict in json.loads(done.stdout)["checks"]}


def test_a_new_environment_passes_its_own_test(tmp_path: Path) -> None:
    written = write_skeleton("my-game", tmp_path)
    assert [path.name for path in written] == ["my_game.py", "test_my_game.py", "recipe.yaml", "README.md"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    done = subprocess.run(command, cwd=written[0].parent, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stdout
    with pytest.raises(ConflictError, match="exists already"):
        write_skeleton("my-game", tmp_path)
    with pytest.raises(InvalidInputError, match="cannot be the name"):
        write_skeleton("../game", tmp_path)


def test_the_example_passes_every_check() -> None:
    code, verdicts = checked("guessing_game.py:GuessingGame", ROOT / "examples" / "guessing_game")
    assert code == 0
    assert {verdict["state"] for verdict in verdicts.values()} == {"passed"}
    assert "solves 8 of 8 tasks" in str(verdicts["offers"]["text"])
    assert verdicts["speed"]["figures"]


def test_faults_are_found_and_named(tmp_path: Path) -> None:
    (tmp_path / "clock.py").write_text(CLOCK)
    code, verdicts = checked("clock.py:Game", tmp_path)
    assert code == 1
    failed = {name for name, verdict in verdicts.items() if verdict["state"] == "failed"}
    assert failed == {"same seed", "64 at once", "bad actions"}
    assert "first observation" in str(verdicts["same seed"]["text"])
    assert "letters and digits only" in str(verdicts["bad actions"]["text"])
    assert verdicts["start"]["state"] == verdicts["offers"]["state"] == "noted"
