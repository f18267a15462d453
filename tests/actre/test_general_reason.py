"""Reasons for environments that nobody wrote a grammar for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a3t_actre.general import general_reason
from a3t_contracts.react import History, Turn

TURNS = st.lists(st.tuples(st.text(max_size=60), st.text(max_size=200)), max_size=4)


def history(first: str, *turns: tuple[str, str]) -> History:
    return History(environment="lighthouse", observation=first, turns=[Turn(action=a, observation=o) for a, o in turns])


@pytest.mark.parametrize(
    ("turns", "action", "reason"),
    [
        ((), "climb the stairs", "I was told of stairs at the beginning. I try climb the stairs."),
        (
            (("climb the stairs", "You are at the top. A brass lamp and a box of matches lie here."),),
            "light brass lamp with matches",
            "I see brass lamp and matches here. I try light brass lamp with matches.",
        ),
        (
            (
                ("climb the stairs", "A brass lamp is here."),
                ("look out", "Fog, wherever one looks; the sea is not seen."),
            ),
            "take Brass Lamp",
            "I have met Brass Lamp on the way. I try take Brass Lamp.",
        ),
        ((("guess 50", "Too low."),), "guess 75", 'The last answer was "Too low." I try guess 75.'),
        ((("guess 50", "Too low."),), "guess 50", "I have done this before. I try guess 50 again."),
        ((), "  whistle\n loudly ", "I try whistle loudly."),
    ],
)
def test_a_reason_names_what_the_action_refers_to(turns: tuple[tuple[str, str], ...], action: str, reason: str) -> None:
    assert general_reason(history("You stand below the stairs. Task: warn the ships.", *turns), action) == reason


def test_a_huge_episode_gets_a_short_reason() -> None:
    told = history("word " * 200_000, *[("step", "thing " * 10_000)] * 50)
    assert len(general_reason(told, "word thing " * 400)) < 500


@given(first=st.text(max_size=300), turns=TURNS, action=st.text(max_size=300))
def test_every_action_gets_one_line(first: str, turns: list[tuple[str, str]], action: str) -> None:
    reason = general_reason(history(first, *turns), action)
    assert reason.strip()
    assert len(reason.splitlines()) == 1
