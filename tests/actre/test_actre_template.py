"""The template annotator's grammar for ALFWorld."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a3t_actre.environments.alfworld.grammar import alfworld_reason
from a3t_actre.environments.alfworld.view import HouseholdGoal, parse_goal, view_of
from a3t_contracts.react import History, Turn
from tests.actre.conftest import make_query

NAME = re.compile(r"[a-z]+ \d+")

EPISODE = [
    ("go to shelf 2", "You arrive at shelf 2. On the shelf 2, you see a pen 1."),
    ("go to drawer 1", "You arrive at drawer 1. The drawer 1 is closed."),
    ("open drawer 1", "You open the drawer 1. The drawer 1 is open. In it, you see a mug 3, and a mug 2."),
    ("take mug 2 from drawer 1", "You pick up the mug 2 from the drawer 1."),
    ("go to shelf 1", "You arrive at shelf 1. On the shelf 1, you see nothing."),
    ("move mug 2 to shelf 1", "You move the mug 2 to the shelf 1."),
]


@pytest.mark.parametrize(
    ("task", "goal"),
    [
        ("put a mug in shelf.", HouseholdGoal("put", "mug", "shelf")),
        ("put some mug on shelf.", HouseholdGoal("put", "mug", "shelf")),
        ("put a clean mug in shelf.", HouseholdGoal("clean", "mug", "shelf")),
        ("clean some mug and put it in shelf.", HouseholdGoal("clean", "mug", "shelf")),
        ("put a hot apple in fridge.", HouseholdGoal("heat", "apple", "fridge")),
        ("heat some apple and put it in fridge.", HouseholdGoal("heat", "apple", "fridge")),
        ("put a cool pan in diningtable.", HouseholdGoal("cool", "pan", "diningtable")),
        ("cool some pan and put it in diningtable.", HouseholdGoal("cool", "pan", "diningtable")),
        ("look at cd under the desklamp.", HouseholdGoal("light", "cd", "", "desklamp")),
        ("examine the cd with the desklamp.", HouseholdGoal("light", "cd", "", "desklamp")),
        ("put two book in desk.", HouseholdGoal("two", "book", "desk")),
        ("find two book and put them in desk.", HouseholdGoal("two", "book", "desk")),
    ],
)
def test_all_task_shapes_are_understood(task: str, goal: HouseholdGoal) -> None:
    assert parse_goal(f"You see a desk 1.\n\nYour task is to: {task}") == goal


def test_a_strange_task_has_no_goal() -> None:
    assert parse_goal("Your task is to: dance.") is None
    assert parse_goal("no task here") is None


def test_goals_of_the_real_games_are_understood(real_tasks: list[tuple[str, str]]) -> None:
    kinds = {
        "pick_and_place_simple": "put",
        "pick_clean_then_place_in_recep": "clean",
        "pick_two_obj_and_place": "two",
        "pick_heat_then_place_in_recep": "heat",
        "pick_cool_then_place_in_recep": "cool",
        "look_at_obj_in_light": "light",
    }
    assert len(real_tasks) == 280
    for type_, task in real_tasks:
        goal = parse_goal(task)
        assert goal is not None, task
        assert goal.kind == kinds[type_]


def test_reasons_of_an_expert_name_what_matters_and_only_what_was_seen() -> None:
    for step, (action, _) in enumerate(EPISODE):
        query = make_query(action, *EPISODE[:step])
        reason = alfworld_reason(query.history, action)
        visible = query.history.model_dump_json() + action
        assert "something else" not in reason, action
        assert all(name in visible for name in NAME.findall(reason)), reason
        assert NAME.search(reason), reason


def test_a_put_in_the_older_grammar_is_understood() -> None:
    query = make_query("put mug 2 in/on shelf 1", *EPISODE[:5])
    assert "mug 2" in alfworld_reason(query.history, query.action)
    after = make_query("look", *EPISODE[:5], ("put mug 2 in/on shelf 1", "You put the mug 2 in/on the shelf 1."))
    view = view_of(after.history)
    assert view.held is None
    assert view.seen["shelf 1"] == ["mug 2"]


@pytest.mark.parametrize(
    "action", ["examine shelf 1", "inventory", "look", "close drawer 1", "take pen 1 from shelf 2"]
)
def test_an_action_without_a_purpose_is_called_a_try(action: str) -> None:
    query = make_query(action, *EPISODE[:3])
    assert alfworld_reason(query.history, action).startswith("I try something else")


def test_a_failed_move_leaves_the_view_as_it_was() -> None:
    moved = view_of(make_query("look", *EPISODE[:3]).history)
    failed = view_of(make_query("look", *EPISODE[:3], ("take mug 9 from drawer 1", "Nothing happens.")).history)
    assert moved == failed


@given(st.text(max_size=200), st.lists(st.tuples(st.text(max_size=40), st.text(max_size=80)), max_size=4), st.text())
def test_no_text_breaks_it(first: str, turns: list[tuple[str, str]], action: str) -> None:
    history = History(
        environment="alfworld", observation=first, turns=[Turn(action=a, observation=o) for a, o in turns]
    )
    reason = alfworld_reason(history, action)
    assert reason
    assert "\n" not in reason
