"""Making TextWorld games: deterministic, all or nothing, told apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from a3t_contracts.errors import ConflictError, InvalidInputError
from a3t_contracts.files import sole_writer
from a3t_env.cli.mount import app
from a3t_env.textworld.challenges import CHALLENGES, draw_settings
from a3t_env.textworld.index import read_index
from a3t_env.textworld.store import add_games, faults_of
from a3t_env.textworld.texts import tidy

pytestmark = pytest.mark.timeout(900)

COUNTS = {"train": 3, "heldout": 1}  # as `textworld_home` has them


def test_every_challenge_gives_games_that_their_walkthrough_wins(textworld_home: Path) -> None:
    index = read_index(textworld_home)
    assert index.splits() == COUNTS
    assert [entry.type for entry in index.of("train")] == list(CHALLENGES)
    assert all(entry.instruction and entry.walkthrough for entry in index.games.values())
    assert [(entry.id, fault) for entry, fault in faults_of(textworld_home) if fault] == []


def test_the_same_seed_makes_the_same_games_in_another_process(textworld_home: Path, tmp_path: Path) -> None:
    arguments = ["data", "generate", "textworld", "--games", "1", "--heldout", "0", "--seed", "3", "--json"]
    environment = os.environ | {"A3T_HOME": str(tmp_path), "PYTHONHASHSEED": "7"}
    made = subprocess.run(
        [sys.executable, "-m", "a3t_env.cli", *arguments[1:]],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout) == {"added": {"train": 1}, "unchanged": 0}
    (again,) = read_index(tmp_path / "data" / "textworld").games.values()
    first = next(iter(read_index(textworld_home).games.values()))
    assert (again.id, again.sha256, again.walkthrough) == (first.id, first.sha256, first.walkthrough)


def test_what_is_here_already_is_not_made_again(textworld_home: Path) -> None:
    stamps = {path: path.stat().st_mtime_ns for path in textworld_home.rglob("*.z8")}
    assert add_games(textworld_home, COUNTS, list(CHALLENGES), seed=3).unchanged == sum(COUNTS.values())
    assert {path: path.stat().st_mtime_ns for path in textworld_home.rglob("*.z8")} == stamps


def test_a_split_never_holds_a_game_of_another(textworld_home: Path) -> None:
    likenesses = [entry.likeness for entry in read_index(textworld_home).games.values()]
    assert len(set(likenesses)) == len(likenesses)
    train, heldout = (draw_settings("cooking", split, 5) for split in ("train", "heldout"))
    assert (train["split"], heldout["split"]) == ("train", "test")


def test_one_process_at_a_time_adds_games(tmp_path: Path) -> None:
    with sole_writer(tmp_path), pytest.raises(ConflictError, match="Another process"):
        add_games(tmp_path, {"train": 1}, ["coin_collector"], seed=0)
    assert read_index(tmp_path).games == {}


def test_a_damaged_index_says_so(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text('{"version": 1, "games": [{}]}')
    with pytest.raises(InvalidInputError, match="damaged"):
        read_index(tmp_path)


def test_the_commands_list_and_verify(textworld_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A3T_HOME", str(tmp_path))
    runner = CliRunner()
    assert "There are no games yet" in runner.invoke(app, ["list", "textworld"]).stdout
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "textworld").symlink_to(textworld_home)
    listed = json.loads(runner.invoke(app, ["list", "textworld", "--json"]).stdout)
    assert listed == [{"split": split, "games": count} for split, count in COUNTS.items()]
    (held_out,) = json.loads(runner.invoke(app, ["list", "textworld", "--split", "heldout", "--json"]).stdout)
    assert held_out["type"] == "coin_collector"
    assert held_out["actions"] > 1
    verified = runner.invoke(app, ["verify", "textworld", "--split", "heldout", "--json"])
    assert (verified.exit_code, json.loads(verified.stdout)) == (0, {"games": 1, "faults": []})


def test_changed_files_are_found_and_made_again(textworld_home: Path, tmp_path: Path) -> None:
    (entry,) = read_index(textworld_home).of("heldout")
    story = textworld_home / entry.path
    whole = story.read_bytes()
    story.write_bytes(whole[:-1])
    assert [fault for _, fault in faults_of(textworld_home, "heldout")] == [f"{story.name} has changed."]
    assert add_games(textworld_home, COUNTS, list(CHALLENGES), seed=3).games == {"heldout": 1}
    assert story.read_bytes() == whole


def test_texts_are_tidied() -> None:
    raw = "\n   ____  __ \n  |  \\ >$$ \n\nGo north!\n\n-= Bar =-\nA bar.\n\n\n>" + " " * 40 + "-= Bar =-0/1\n"
    assert tidy(raw) == "Go north!\n-= Bar =-\nA bar."
    assert tidy("Done.\n\n   *** The End ***\n\nYou scored 1.\nWould you like to RESTART?") == "Done.\n*** The End ***"
