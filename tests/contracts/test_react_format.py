from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from a3t_contracts.react import (
    History,
    Turn,
    TurnEnd,
    completion_text,
    history_of,
    observation_text,
    parse_reply,
    render_history,
    render_trajectory,
    turn_end,
)
from a3t_contracts.schemas import ReasonBy, Source, Step, StopReason, Trajectory, TrajectoryKind

RAW = "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in a room.\n\nYour task is to: put a mug in cabinet."
LINE = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]), min_size=1, max_size=40)


def test_a_turn_reads_as_the_field_writes_it() -> None:
    history = History(
        environment="alfworld",
        observation=RAW,
        turns=[Turn(thought="I look for a mug.", action="go to shelf 1", observation="You arrive at shelf 1.")],
        preamble="Example.",
    )
    assert "".join(s.text for s in render_history(history)) == (
        "Example.\n\n"
        "Observation: You are in a room. Your task is to: put a mug in cabinet.\n"
        "Thought: I look for a mug.\nAction: go to shelf 1\n"
        "Observation: You arrive at shelf 1.\n"
    )


def test_webshop_keeps_its_line_breaks() -> None:
    assert observation_text("WebShop [SEP] Instruction:\n a  b ", multiline=True) == "WebShop [SEP] Instruction:\n a  b"


@pytest.mark.parametrize(
    ("text", "thought", "action"),
    [
        ("Thought: I go.\nAction: go to shelf 1\n", "I go.", "go to shelf 1"),
        ("Action: look\n", None, "look"),
        ("I go.\nAction: look", "I go.", "look"),
        ("Thought: a\nb\nAction: search[red shoes]\nObservation: x\nAction: y\n", "a b", "search[red shoes]"),
        ("Thought: nothing more", "nothing more", ""),
        ("Thought: an Action: inside\n", "an Action: inside", ""),
        ("", None, ""),
        ("Action:\n", None, ""),
    ],
)
def test_parsing(text: str, thought: str | None, action: str) -> None:
    reply = parse_reply(text)
    assert (reply.thought, reply.action) == (thought, action)


@given(thought=st.none() | LINE, action=LINE)
@example(thought="Thought:", action="look")
def test_what_is_rendered_is_parsed_back(thought: str | None, action: str) -> None:
    reply = parse_reply(completion_text(thought, action))
    assert reply.action == action
    assert reply.thought == (thought or None)


@given(thought=st.none() | LINE, action=LINE, tail=st.text(max_size=20))
def test_a_turn_ends_after_its_action_line(thought: str | None, action: str, tail: str) -> None:
    text = completion_text(thought, action)
    assert turn_end(text + tail) == TurnEnd(len(text), made_up_observation=False)
    assert turn_end(text[:-1]) is None


@pytest.mark.parametrize(
    ("turn", "behind"),
    [
        ("Thought: I look.\n", "Observation: Nothing happens.\nThought: I go.\nAction: go to shelf 1\n"),
        ("Thought: I look for pen shelf ", "Observation: Nothing happens. Thought: I go."),
        ("Thought: I look for pen shelf", "Observation: Nothing happens.\nAction: look\n"),
        ("", "Observation: You are in a room.\n"),
        ("Thought: I look.\nAction: go to shelf 1 ", "Observation: You arrive at shelf 1.\nThought: so."),
        ("Thought: I look.\n", "observation: Nothing happens."),
        ("Thought: I look.\n", "  OBSERVATION: Nothing happens."),
        ("Thought: I look.\n\n", "**Observation:** Nothing happens."),
        ("Thought: I look.\n", "**Observation**: Nothing happens."),
        ("Thought: I look. ", "Observation 2: Nothing happens."),
        ("Thought: I look. ", "Observation:"),
    ],
)
def test_a_turn_ends_before_an_observation_that_was_made_up(turn: str, behind: str) -> None:
    end = TurnEnd(len(turn), made_up_observation=True)
    assert turn_end(turn + behind) == end
    label = behind.index(":") + 1
    assert turn_end(turn + behind[:label]) == end, "known as soon as the label is there"
    assert turn_end(turn + behind[: label - 1]) is None


@pytest.mark.parametrize(
    "text",
    [
        "Thought: my last observation: the fridge is closed.\nAction: open fridge 1\n",
        "Thought: An observation is due.\nAction: look\n",
        "Thought: Observations say nothing: I go on.\nAction: look\n",
        "Action: search[observation: deck]\n",
        "Thought: a\nThought: b\nAction: look\n",
    ],
)
def test_speaking_of_observations_makes_none_up(text: str) -> None:
    for behind in ("", "Observation: Nothing happens.\n", "\nObservation: x", "Thought: next\nAction: look\n"):
        assert turn_end(text + behind) == TurnEnd(len(text), made_up_observation=False)


def _trajectory() -> Trajectory:
    steps = [
        Step(
            index=i,
            observation=f"seen {i}",
            thought=None,
            action=f"go to shelf {i}",
            source=Source.policy,
            reason_by=ReasonBy.none,
            valid=True,
            completion=f"Action: go to shelf {i}\n",
            completion_ids=[i, 7],
        )
        for i in range(3)
    ]
    return Trajectory(
        id="0" * 24,
        run="r",
        round=0,
        environment="alfworld",
        split="train",
        task_id="t",
        kind=TrajectoryKind.policy,
        steps=steps,
        final_observation="the end",
        success=True,
        stop_reason=StopReason.success,
        created_at=datetime.now(UTC),
    )


def test_every_prompt_is_a_prefix_of_the_rendered_episode() -> None:
    trajectory = _trajectory()
    whole = render_trajectory(trajectory)
    for steps in range(len(trajectory.steps)):
        prompt = render_history(history_of(trajectory, steps))
        assert whole[: len(prompt)] == prompt
        assert whole[len(prompt)].ids == (steps, 7)
    assert whole[-1].text == "Observation: the end\n"


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (RAW, "You are in a room. Your task is to: put a mug in cabinet."),
        ("a  -= Welcome to x =- =-b", "ab"),
        ("-= Welcome to nowhere\n -= Welcome to y =- c", "-= Welcome to nowhere c"),
        ("-= Welcome to x =-\n-= Welcome to y =-", "-= Welcome to y =-"),
        ("-= Welcome to =-", "-= Welcome to =-"),
    ],
)
def test_the_welcome_is_left_out_once(raw: str, read: str) -> None:
    assert observation_text(raw) == read


@pytest.mark.parametrize("unit", [" ", "\n", "-= Welcome to ", "-= Welcome to \n", "mug 1 ", "x", " -="])
def test_long_texts_are_folded_as_short_ones_are(unit: str) -> None:
    """Also those that a careless pattern needs the square of their length for."""
    raw = unit * (600_000 // len(unit))
    assert observation_text(raw) == " ".join(raw.split())
