"""What ActRe's template is told of exercises, and what it then says."""

from __future__ import annotations

import pytest

from a3t_actre.environments.alfworld.view import HouseholdGoal, parse_goal
from a3t_actre.environments.webshop.grammar import webshop_reason
from a3t_contracts.clients import ActReClient, EnvClient
from a3t_contracts.react import History
from a3t_contracts.schemas import Reason, ReasonQuery, ReasonsRequest
from a3t_pretrain.reasons.annotator import ANNOTATOR
from a3t_pretrain.reasons.household import exercise_goal
from a3t_pretrain.reasons.shop import exercise_wishes
from tests.support.shop_pages import ASKS, START, TO_ITEM, TO_RESULTS, shop_history

TOLD = ("mug 2", "shelf 1")


@pytest.mark.parametrize(
    ("task", "goal"),
    [
        ("take mug 2 from shelf 1 to desk", HouseholdGoal("put", "mug 2", "desk", told=(TOLD,))),
        ("put mug 2 from shelf 1 on desk 3", HouseholdGoal("put", "mug 2", "desk 3", told=(TOLD,))),
        (
            "clean mug 2 from shelf 1 with sinkbasin and put it in desk",
            HouseholdGoal("clean", "mug 2", "desk", tool="sinkbasin", told=(TOLD,)),
        ),
        (
            "examine the mug 2 from shelf 1 with the desklamp",
            HouseholdGoal("light", "mug 2", lamp="desklamp", told=(TOLD,)),
        ),
        ("find a mug", HouseholdGoal("find", "mug")),
        ("take two mug to desk, mug 2 from shelf 1", HouseholdGoal("two", "mug", "desk", told=(TOLD,))),
    ],
)
def test_errands_are_understood(task: str, goal: HouseholdGoal) -> None:
    assert exercise_goal(f"You see a desk 1.\n\nYour task is to: {task}.") == goal


@pytest.mark.parametrize("task", ["take mug 2 from shelf 1 to desk", "find a mug"])
def test_the_template_itself_knows_no_exercises(task: str) -> None:
    assert parse_goal(f"You see a desk 1.\n\nYour task is to: {task}.") is None


def test_a_random_walk_has_no_goal() -> None:
    assert exercise_goal("Your task is to: look around.") is None


async def test_the_service_offers_the_annotator(services: tuple[EnvClient, ActReClient]) -> None:
    history = History(environment="alfworld", observation="Your task is to: use desklamp 1 at desk 2.", turns=[])
    query = ReasonQuery(history=history, action="use desklamp 1")
    for annotator, words in ((ANNOTATOR, "I look for desklamp 1. It is here."), ("template", "I try something else")):
        request = ReasonsRequest(queries=[query], annotator=annotator)
        (result,) = (await services[1].reasons(request)).results
        assert isinstance(result, Reason)
        assert result.reason.startswith(words)
        assert result.purpose == (annotator == ANNOTATOR)
        assert result.annotator == annotator


@pytest.mark.parametrize(
    ("line", "turns", "action", "reason"),
    [
        ("search for bar stools", (), "search[bar stools]", "I need bar stools. I search for it."),
        (
            "search for non slip, light bar stools, and open one with color: mint, and size: set of 2",
            (),
            "search[non slip, light bar stools]",
            "I need non slip, light bar stools. I search for it.",
        ),
        (
            "search for bar stools, and buy the first one with color: mint",
            (TO_RESULTS, TO_ITEM),
            "click[mint]",
            "I need color mint. It is here. I choose it.",
        ),
        (
            "search for bar stools, and buy Tevo Bar Stool, and price lower than 60.00 dollars",
            (TO_RESULTS, TO_ITEM),
            "click[buy now]",
            "The price is $45.5. Nothing is left to choose. I buy it.",
        ),
        (
            "search for bar stools, and read the features of Luma Bar Stool",
            (TO_RESULTS, TO_ITEM),
            "click[< prev]",
            "This is not what I need. I go back.",
        ),
    ],
)
def test_errands_of_practice(line: str, turns: tuple[tuple[str, str], ...], action: str, reason: str) -> None:
    told = [(does, page.replace(ASKS, line)) for does, page in turns]
    assert webshop_reason(shop_history(*told, first=START.replace(ASKS, line)), action, exercise_wishes) == reason
