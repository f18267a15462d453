"""The few-shot prompts."""

from __future__ import annotations

import pytest

from a3t_actre.prompting import build_prompt
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react import History, Turn
from a3t_contracts.schemas import Environment, ReasonQuery
from tests.actre.conftest import make_query

OPEN = "\nReason for the action:"


def long_query(turns: int, environment: Environment = "alfworld", words: int = 20) -> ReasonQuery:
    history = History(
        environment=environment,
        observation="FIRST " + "look " * words,
        turns=[Turn(thought=f"why {n}", action=f"go to shelf {n}", observation="x " * words) for n in range(turns)],
    )
    return ReasonQuery(history=history, action="LAST action")


def test_the_history_stands_in_the_order_observation_action_reason() -> None:
    query = make_query("open drawer 1", ("go to drawer 1", "You arrive at drawer 1. The drawer 1 is closed."))
    query.history.turns[0].thought = "A drawer\nmay hold it."
    prompt = build_prompt(query, "v1", 24_000)
    asked = prompt[prompt.index("Now another episode") :]
    order = [
        "Observation: You are in",
        "Action: go to drawer 1",
        "Reason for the action: A drawer may hold it.",
        "Observation: You arrive at drawer 1.",
        "Action: open drawer 1" + OPEN,
    ]
    places = [asked.index(part) for part in order]
    assert places == sorted(places)
    assert prompt.endswith("Action: open drawer 1" + OPEN)
    assert "TextWorld" not in prompt


def test_a_turn_without_a_reason_has_none_in_the_prompt() -> None:
    prompt = build_prompt(make_query("look", ("go to shelf 1", "You arrive at shelf 1.")), "v1", 24_000)
    asked = prompt[prompt.index("Now another episode") :]
    assert asked.count("Reason for the action:") == 1


@pytest.mark.parametrize("environment", ["alfworld", "webshop"])
def test_long_histories_lose_their_oldest_turns_first(environment: Environment) -> None:
    prompt = build_prompt(long_query(200, environment), "v1", 8000)
    assert len(prompt) <= 8000
    assert "earlier steps are left out" in prompt
    assert "FIRST" in prompt
    assert "go to shelf 199" in prompt
    assert "go to shelf 3\n" not in prompt


def test_huge_observations_are_clipped_in_the_middle() -> None:
    prompt = build_prompt(long_query(1, words=50_000), "v1", 8000)
    assert len(prompt) <= 8000
    assert " […] " in prompt


def test_an_unknown_version_is_one_clear_error() -> None:
    with pytest.raises(InvalidInputError, match="no ActRe prompt 'v99' for alfworld"):
        build_prompt(long_query(1), "v99", 8000)


@pytest.mark.parametrize("environment", ["alfworld", "webshop", "lighthouse"])
def test_every_environment_has_a_worked_example_with_sparse_reasons(environment: Environment) -> None:
    prompt = build_prompt(long_query(0, environment), "v1", 24_000)
    example = prompt[: prompt.index("Now another episode")]
    assert example.count("\nAction: ") > example.count("\nReason for the action: ") >= 3


def test_an_environment_that_nobody_wrote_for_gets_the_general_prompt_with_what_it_is() -> None:
    query = long_query(1, "lighthouse").model_copy(
        update={"about": "The agent keeps a lighthouse.\nIt lights the lamp."}
    )
    prompt = build_prompt(query, "v1", 24_000)
    assert prompt.startswith("The agent keeps a lighthouse. It lights the lamp. Its actions are given.")
    assert prompt.endswith("Action: LAST action" + OPEN)
    assert build_prompt(long_query(1, "lighthouse"), "v1", 24_000).startswith("An agent acts in an environment that")
    with pytest.raises(InvalidInputError, match="no ActRe prompt 'v99' for lighthouse"):
        build_prompt(query, "v99", 24_000)


def test_a_long_description_leaves_room_for_the_history() -> None:
    query = long_query(40, "lighthouse").model_copy(update={"about": "lamp " * 1600})
    prompt = build_prompt(query, "v1", 8000)
    assert len(prompt) <= 8000
    assert "go to shelf 39" in prompt


EXAMPLE = """You play. Here is an example.

Observation: A gate. Task: open it.
It is locked.
Thought: A locked gate needs a key.
Action: take key
Observation: You have a key.
Action: unlock gate
Observation: It is open.

Now it is your turn.
"""


def test_the_environments_worked_episode_stands_in_the_general_prompt() -> None:
    history = History(environment="castle", observation="A tower.")
    prompt = build_prompt(ReasonQuery(history=history, action="climb", example=EXAMPLE), "v1", 24_000)
    assert "Here is one episode with its reasons.\n\n" in prompt
    shown = prompt[prompt.index("Observation: A gate.") : prompt.index("Now another episode")]
    assert shown == (
        "Observation: A gate. Task: open it.\nIt is locked.\nAction: take key\n"
        "Reason for the action: A locked gate needs a key.\nObservation: You have a key.\n"
        "Action: unlock gate\nObservation: It is open.\n\n"
    )
    assert "harbour" not in prompt
    assert "your turn" not in prompt


@pytest.mark.parametrize(
    "example", ["", "no episode at all", "Observation: a room\nAction: look\nObservation: a room", EXAMPLE + "x" * 9000]
)
def test_without_a_usable_worked_episode_one_from_elsewhere_is_shown(example: str) -> None:
    history = History(environment="castle", observation="A tower.")
    prompt = build_prompt(ReasonQuery(history=history, action="climb", example=example), "v1", 8000)
    assert "from another environment" in prompt
    assert "harbour" in prompt
    assert prompt.endswith("Action: climb" + OPEN)
