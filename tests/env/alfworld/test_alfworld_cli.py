"""`a3t data … alfworld` from the outside."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from a3t_contracts.cli import guarded
from a3t_env.cli.mount import app

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `a3t data …` with a fresh A3T_HOME; exit code, stdout, stderr."""
    monkeypatch.setenv("A3T_HOME", str(tmp_path / "home"))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["a3t data", *arguments])
        code = guarded(app)
        captured = capsys.readouterr()
        return code, captured.out, " ".join(captured.err.split())

    return run


def test_generate_list_verify(run: Run, tmp_path: Path):
    code, out, _ = run("generate", "alfworld", "--games", "6", "--heldout", "2", "--seed", "3", "--json")
    assert code == 0
    assert json.loads(out)["added"] == {"generated_heldout": 2, "generated_train": 6}
    code, out, _ = run("list", "alfworld", "--json")
    assert json.loads(out) == [{"split": "generated_heldout", "games": 2}, {"split": "generated_train", "games": 6}]
    code, out, _ = run("list", "alfworld", "--split", "generated_heldout", "--json")
    assert [row["type"] for row in json.loads(out)] != []
    code, out, _ = run("verify", "alfworld", "--json")
    assert (code, json.loads(out)) == (0, {"games": 8, "faults": []})
    next((tmp_path / "home").rglob("game.tw-pddl")).write_text("{}")
    code, out, _ = run("verify", "alfworld", "--json")
    assert code == 1
    assert len(json.loads(out)["faults"]) == 1


def test_generated_games_can_be_imported_elsewhere(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert run("generate", "alfworld", "--games", "6", "--heldout", "0")[0] == 0
    games = next((tmp_path / "home" / "data" / "alfworld" / "games").iterdir())
    monkeypatch.setenv("A3T_HOME", str(tmp_path / "other"))
    code, out, _ = run("import", "alfworld", str(games), "--split", "mine", "--json")
    assert code == 0
    assert json.loads(out)["added"] == {"mine": 6}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("import", "alfworld", "/nowhere/at/all"), 3, "no folder or archive /nowhere/at/all"),
        (("import", "alfworld", "/nowhere/[/red].zip"), 3, "no folder or archive /nowhere/[/red].zip"),
        (("list", "alfworld", "--split", "x"), 2, "no split 'x'"),
        (("verify", "alfworld", "--split", "x"), 2, "no split 'x'"),
        (("generate", "alfworld", "--verb-form", "throw"), 2, "no verb form 'throw'"),
        (("fetch", "alfworld", "--archive", "everything"), 2, "no archive 'everything'"),
        (("generate", "alfworld", "--games", "-1"), 2, ""),
        (("import", "alfworld"), 2, ""),
    ],
)
def test_bad_input_is_one_message_and_an_exit_code(run: Run, arguments: tuple[str, ...], code: int, message: str):
    found, out, err = run(*arguments)
    assert found == code
    assert message in err
    assert "Traceback" not in out + err


def test_an_empty_home_says_what_to_do(run: Run):
    code, out, _ = run("list", "alfworld")
    assert code == 0
    assert "a3t data generate alfworld" in " ".join(out.split())


def test_every_verb_is_there(run: Run):
    _, out, _ = run("--help")
    assert all(verb in out for verb in ("fetch", "import", "generate", "list", "verify"))
