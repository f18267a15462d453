"""Which phases a run may take over from another."""

from __future__ import annotations

from typing import Any

import pytest

from a3t_orchestrator.driver.branch import shared_phases
from a3t_orchestrator.recipe import Recipe, changed, parse_recipe
from a3t_orchestrator.store import PhaseKey

ROUND = ("rollout", "compose", "train", "evaluate")
ROUNDS = [("evaluate_base", "demonstrate", "annotate", "train", "evaluate"), ROUND, ROUND]
PHASES = [PhaseKey("s", number, phase) for number, phases in enumerate(ROUNDS) for phase in phases]
BASE = {"name": "r", "environment": "alfworld", "rounds": 2, "data": {"held_out": [{"split": "held"}]}}


def recipe(**changes: Any) -> Recipe:
    return parse_recipe(changed(BASE, changes), source="the test")


def shared(target: Recipe, phases: list[PhaseKey] = PHASES, finished: tuple[int, ...] = (0, 1, 2)) -> int:
    """How many of the source's phases are taken over, in their order."""
    taken = shared_phases(recipe(), target, phases, list(finished))
    assert taken == [key for key in phases if key in taken]
    return len(taken)


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, len(PHASES)),
        ({"rounds": 1}, 9),
        ({"rounds": 5, "name": "other"}, len(PHASES)),
        ({"limits": {"concurrency": 3}}, len(PHASES)),
        ({"seed": 1}, 0),
        ({"data": {"tasks": 100}}, 0),
        ({"round0": {"demonstrations": 6}}, 0),
        ({"limits": {"max_steps": 7}}, 0),
        ({"training": {"round0": {"optimisation": {"epochs": 3}}}}, 3),
        ({"data": {"held_out": [{"split": "elsewhere"}]}}, 2),
        ({"compose": {"p": 0.5}}, 6),
        ({"training": {"objective": {"name": "sft"}}}, 7),
        ({"pairing": {"failures": False}}, 7),
    ],
)
def test_phases_are_shared_up_to_the_first_that_differs(changes: dict[str, Any], count: int) -> None:
    assert shared(recipe(**changes)) == count


def test_what_is_not_complete_is_not_taken_over() -> None:
    """Of a round that goes on, the last phase that was begun may lack episodes."""
    assert shared(recipe(), PHASES[:6], finished=(0,)) == 5
    assert shared(recipe(), PHASES[:7], finished=(0,)) == 6
    assert shared(recipe(), PHASES[:8], finished=(0,)) == 7
    assert shared(recipe(), PHASES[:3], finished=()) == 2
