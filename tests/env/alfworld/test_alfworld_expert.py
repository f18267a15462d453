"""The scripted expert: reads what an agent reads, and recovers from what others did."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from a3t_contracts.errors import InvalidInputError
from a3t_env.alfworld.expert import ScriptedExpert, Search, solve
from a3t_env.alfworld.expert.make_priors import count_priors
from a3t_env.alfworld.expert.priors import load_priors
from a3t_env.alfworld.expert.reading import type_of
from a3t_env.alfworld.expert.task import ParsedTask, parse_task
from a3t_env.alfworld.game_file import read_game_file
from a3t_env.alfworld.generator import GeneratedGame
from a3t_env.alfworld.native import Game

_ROOM = (
    "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly around you, you see a "
    "drawer 2, a drawer 1, a fridge 1, a microwave 1, and a sinkbasin 1.\n\nYour task is to: {task}."
)


def disturbing(share: float) -> Callable[[str, Sequence[str]], str]:
    """A share of foolish steps."""
    rng = random.Random(4)

    def disturb(command: str, actions: Sequence[str]) -> str:
        fools = rng.random() < share
        return rng.choice([*actions, "go to attic 1", "take soap 9 from drawer 1"]) if fools else command

    return disturb


def reference_games(path: Path, every: int) -> Iterator[Game]:
    with tarfile.open(path, "r|xz") as archive:
        members = (m for m in archive if m.name.endswith("game.tw-pddl"))
        for number, member in enumerate(members):
            file = archive.extractfile(member)
            if number % every == 0 and file is not None:
                yield read_game_file(file.read()).parse()


@pytest.mark.parametrize(
    ("task", "goal"),
    [
        ("put a mug in desk", ParsedTask("mug", "desk")),
        ("put some mug on desk", ParsedTask("mug", "desk")),
        ("put a clean plate in shelf", ParsedTask("plate", "shelf", treatment="clean")),
        ("heat some egg and put it in fridge", ParsedTask("egg", "fridge", treatment="heat")),
        ("put a cool pan in stoveburner", ParsedTask("pan", "stoveburner", treatment="cool")),
        ("find two cd and put them in safe", ParsedTask("cd", "safe", count=2)),
        ("look at bowl under the desklamp", ParsedTask("bowl", lamp="desklamp")),
        ("examine the pen with the desklamp", ParsedTask("pen", lamp="desklamp")),
    ],
)
def test_tasks_are_read(task: str, goal: ParsedTask):
    assert parse_task(_ROOM.format(task=task)) == goal


def test_tasks_in_free_words_are_refused():
    with pytest.raises(InvalidInputError, match="does not understand the task 'bring me a drink'"):
        ScriptedExpert(_ROOM.format(task="bring me a drink"))


def test_it_examines_what_stands_where_it_stands_already():
    expert = ScriptedExpert(_ROOM.format(task="put a clean spoon in drawer"))
    expert.observe("go to sinkbasin 1", "You arrive at sinkbasin 1. On the sinkbasin 1, you see nothing.")
    command = expert.act()
    assert command.startswith("go to ")
    expert.observe(command, "Nothing happens.")
    assert expert.act() == command.replace("go to", "examine")


def test_it_says_put_where_the_game_does():
    expert = ScriptedExpert(_ROOM.format(task="put a spoon in drawer"))
    expert.observe("go to sinkbasin 1", "You arrive at loc 3. On the sinkbasin 1, you see a spoon 1.")
    assert expert.act() == "take spoon 1 from sinkbasin 1"
    expert.observe("take spoon 1 from sinkbasin 1", "You pick up the spoon 1 from the sinkbasin 1.")
    assert expert.act() == "go to drawer 2"
    expert.observe("go to drawer 2", "You arrive at loc 9. The drawer 2 is closed.")
    assert expert.act() == "open drawer 2"
    expert.observe("open drawer 2", "You open the drawer 2. The drawer 2 is open. In it, you see nothing.")
    assert expert.act() == "put spoon 1 in/on drawer 2"


def test_it_drops_what_it_does_not_need_and_does_not_repeat_what_fails():
    expert = ScriptedExpert(_ROOM.format(task="put a spoon in drawer"))
    expert.observe("inventory", "You are carrying: a apple 1.")
    tried = []
    for _ in range(6):
        command = expert.act()
        tried.append(command)
        expert.observe(command, "Nothing happens.")
    assert len(set(tried)) == 6


def test_it_takes_the_last_one_listed():
    expert = ScriptedExpert(_ROOM.format(task="put a spoon in drawer"))
    seen = "You arrive at sinkbasin 1. On the sinkbasin 1, you see a spoon 3, a fork 1, and a spoon 1."
    expert.observe("go to sinkbasin 1", seen)
    assert expert.act() == "take spoon 1 from sinkbasin 1"


def test_a_listed_search_goes_on_from_where_it_is_and_round_to_the_start():
    places = ("drawer 2", "drawer 1", "diningtable 1", "shelf 2", "shelf 1", "sinkbasin 1", "toiletpaperhanger 1")
    room = f"Looking quickly around you, you see {', '.join(f'a {p}' for p in places)}.\n\nYour task is to: {{task}}."
    expert = ScriptedExpert(room.format(task="put a fork in drawer"), search="listed")
    visited = []
    while len(visited) < len(places):
        command = expert.act()
        if command.startswith("open"):
            expert.observe(command, f"You open the {visited[-1]}. The {visited[-1]} is open. In it, you see nothing.")
            continue
        place = command.removeprefix("go to ")
        visited.append(place)
        sight = f"The {place} is closed." if place.startswith("drawer") else f"On the {place}, you see nothing."
        expert.observe(command, f"You arrive at {place}. {sight}")
    usual = load_priors().of("fork")
    plausible = [p for p in places if usual.get(type_of(p), 0.0) >= 0.1 * max(usual.values())]
    at = places.index(visited[0])
    onward = [p for p in places[at:] + places[:at] if p in plausible]
    assert len(plausible) > 2
    assert [p for p in visited if p in plausible] == onward
    assert visited[-1] == "toiletpaperhanger 1"


def test_it_recovers_from_foolish_steps(generated: list[GeneratedGame]):
    games = [read_game_file(g.game).parse() for g in generated]
    assert [solve(game, 150, disturb=disturbing(0.3)) for game in games].count(None) == 0


def test_its_ceiling_is_told_by_a_command(alfworld_home: Path, tmp_path: Path):
    """The games under A3T_HOME, by split and type."""
    home = tmp_path / "home"
    (home / "data").mkdir(parents=True)
    (home / "data" / "alfworld").symlink_to(alfworld_home)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "a3t_env.alfworld.expert", *arguments]
        environment = os.environ | {"A3T_HOME": str(home)}
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    told = run("--json")
    rows = {(row["split"], row["type"]): row for row in json.loads(told.stdout)["rows"]}
    assert told.returncode == 0
    assert (rows["generated_train", "all"]["games"], rows["generated_put", "all"]["verb_form"]) == (12, "put")
    assert all(row["solved"] == row["games"] for row in rows.values())
    assert run("--split", "generated_put", "--max-steps", "1").returncode == 1
    unknown = run("--split", "nowhere")
    assert (unknown.returncode, "no games of split 'nowhere'" in unknown.stderr) == (2, True)


def test_priors_are_shares(generated: list[GeneratedGame]):
    shares = count_priors(read_game_file(g.game).parse() for g in generated)
    assert shares
    assert all(0 < share <= 1 for places in shares.values() for share in places.values())


@pytest.mark.data
@pytest.mark.parametrize(
    ("archive", "every"), [("valid_seen", 2), ("valid_seen_put", 4), pytest.param("train", 60, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("search", ["likely", "listed"])
def test_it_solves_the_official_games(reference_data: Path, archive: str, every: int, search: Search):
    steps = [solve(g, search=search) for g in reference_games(reference_data / "alfworld" / f"{archive}.tar.xz", every)]
    solved = [s for s in steps if s is not None]
    assert len(solved) >= 0.99 * len(steps)
    assert sum(solved) / len(solved) < 10
