"""Generated games: sound, varied, repeatable, and apart from each other where they must be."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter

import pytest

from a3t_contracts.errors import InvalidInputError
from a3t_env.alfworld.expert import solve
from a3t_env.alfworld.game_file import read_game_file
from a3t_env.alfworld.generator import GeneratedGame, generate_games
from a3t_env.alfworld.native import NativeEngine
from a3t_env.alfworld.task_types import TASK_TYPES

_DIGEST = """
import hashlib
from a3t_env.alfworld.generator import generate_games
print(hashlib.sha256(b"".join(g.game + g.trajectory for g in generate_games("generated_train", 12, 5))).hexdigest())
"""


@pytest.fixture(scope="module")
def heldout() -> list[GeneratedGame]:
    return list(generate_games("generated_heldout", 60, seed=1))


def floor_plan(game: GeneratedGame) -> int:
    number: int = json.loads(game.trajectory)["scene"]["scene_num"]
    return number


def test_all_types_come_in_turn(heldout: list[GeneratedGame]):
    assert Counter(json.loads(g.trajectory)["task_type"] for g in heldout) == dict.fromkeys(TASK_TYPES, 10)
    assert len({g.id for g in heldout}) == 60
    assert len({g.game for g in heldout}) == 60


def test_floor_plans_are_disjoint(heldout: list[GeneratedGame], generated: list[GeneratedGame]):
    assert {floor_plan(g) % 100 for g in heldout} <= set(range(1, 7))
    assert {floor_plan(g) % 100 for g in generated} <= set(range(7, 31))


@pytest.mark.parametrize("hash_seed", ["0", "77"])
def test_the_same_seed_makes_the_same_bytes_in_another_process(hash_seed: str, generated: list[GeneratedGame]):
    digest = hashlib.sha256(b"".join(g.game + g.trajectory for g in generated)).hexdigest()
    other = subprocess.run(
        [sys.executable, "-c", _DIGEST], env={"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == digest


def test_another_seed_makes_other_games(generated: list[GeneratedGame]):
    others = list(generate_games("generated_train", 12, seed=9))
    assert not {g.game for g in generated} & {g.game for g in others}


def test_fewer_games_are_the_first_of_more(generated: list[GeneratedGame]):
    assert list(generate_games("generated_train", 4, seed=5)) == generated[:4]


def test_the_stored_walkthrough_wins_with_admissible_commands_only(heldout: list[GeneratedGame]):
    for game in heldout:
        engine = NativeEngine(read_game_file(game.game).parse())
        engine.start()
        assert not engine.won
        assert all(engine.step(command)[1] for command in json.loads(game.game)["walkthrough"])
        assert engine.won


def test_the_expert_solves_nearly_all_in_few_steps(heldout: list[GeneratedGame]):
    steps = [solve(read_game_file(game.game).parse()) for game in heldout]
    lengths = [n for n in steps if n is not None]
    assert len(lengths) >= 59
    assert sum(lengths) / len(lengths) < 14


def test_rooms_hold_several_things_of_a_kind(heldout: list[GeneratedGame]):
    game = read_game_file(heldout[0].game).parse()
    kinds = Counter(game.names[o].rsplit(" ", 1)[0] for objects in game.start.contents.values() for o in objects)
    assert sum(kinds.values()) > 20
    assert max(kinds.values()) > 1


def test_the_older_wording_can_be_had():
    game = read_game_file(next(generate_games("generated_train", 1, seed=5, verb_form="put")).game).parse()
    assert game.wording.verb_form == "put"
    engine = NativeEngine(game)
    engine.start()
    assert engine.step(next(c for c in engine.actions() if c.startswith("go to ")))[0].startswith("You arrive at loc ")


def test_other_splits_are_refused():
    with pytest.raises(InvalidInputError, match="cannot be generated for 'train'"):
        next(generate_games("train", 1, seed=0))
