"""Exercises through the real services: what they teach, and what they must not."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest

from a3t_contracts.clients import ActReClient, EnvClient
from a3t_contracts.errors import NotFoundError
from a3t_contracts.schemas import ReasonBy, Source, Trajectory
from a3t_pretrain.corpus import write_corpus

Services = tuple[EnvClient, ActReClient]
Write = Callable[..., Awaitable[list[Trajectory]]]
THING, PLACE = r"\w+ \d+", r"\w+(?: \d+)?"
FETCH = rf"{THING} from {THING}"
EXERCISE = re.compile(
    rf"Your task is to: (find an? \w+|look around|use {THING} at {THING}|"
    rf"(take|put) {FETCH} (to|in|on|and put it in|and put it on) {PLACE}|"
    rf"(clean|heat|cool) {FETCH}( with {PLACE}( and put it (in|on) {PLACE})?)?|make {FETCH} (clean|hot|cool)|"
    rf"put a (clean|hot|cool) {FETCH} (in|on) {PLACE} with {PLACE}|"
    rf"(take|look at) {FETCH} (and use|under) {THING} at {THING}|"
    rf"(take|look at) {FETCH} (and use|under) (a|the) \w+lamp|examine the {FETCH} with the \w+lamp|"
    rf"(take|put) two {FETCH} and {FETCH} (to|in|on) {PLACE}|(take|put) two \w+ (to|in|on) {PLACE}, {FETCH})\.$"
)


async def test_exercises_are_none_of_the_games_tasks(exercises: Write) -> None:
    made = await exercises(120)
    assert {t.task_type for t in made} == {"find", "errand", "wander"}
    for trajectory in made:
        assert EXERCISE.search(trajectory.steps[0].observation), trajectory.steps[0].observation[-80:]
        assert trajectory.reward == 0.0


async def test_steps_say_who_chose_and_who_explained(exercises: Write) -> None:
    steps = [step for t in await exercises(120) for step in t.steps]
    slips = [s for s in steps if s.reason_by is ReasonBy.none]
    assert slips
    assert all(not s.valid and s.source is Source.sampled for s in slips)
    assert all(s.thought for s in steps)


async def test_some_mistakes_are_made_again_and_again_until_the_way_on(exercises: Write) -> None:
    for trajectory in await exercises(200):
        slipped = "".join("s" if step.reason_by is ReasonBy.none else "m" for step in trajectory.steps)
        if "sss" in slipped:
            assert slipped.endswith("m")
            return
    raise AssertionError("no mistake was repeated")


async def test_found_things_were_in_the_text_just_read(exercises: Write) -> None:
    for trajectory in await exercises(120):
        last = trajectory.steps[-1]
        if trajectory.task_type == "find":
            thing = re.fullmatch(r"(take|use) (\w+ \d+)( from \w+ \d+)?", last.action)
            assert thing
            read = [step.observation for step in trajectory.steps if "Nothing happens" not in step.observation]
            assert thing[2] in read[-1]
            assert last.thought == f"I look for {thing[2]}. It is here. I {thing[1]} it."


async def test_every_action_that_is_meant_has_a_reason_of_its_own(exercises: Write) -> None:
    for trajectory in await exercises(400):
        if trajectory.task_type == "errand":
            meant = [s for s in trajectory.steps if s.reason_by is ReasonBy.actre]
            tries = [(s.action, s.thought) for s in meant if s.thought and "I try something else" in s.thought]
            assert not tries, (trajectory.steps[0].observation[-120:], tries)


async def test_what_is_hunted_for_is_told_nowhere(exercises: Write) -> None:
    """The second of two things, or the lamp: searched for, where it was not seen with the first."""
    hunts = [
        t
        for t in await exercises(400)
        if re.search(r"under (a|the) |with the |and use a |two \w+ (to|in|on) .*, ", _line(t))
    ]
    assert len(hunts) >= 20
    searched = [[s for s in t.steps if s.thought and ". Next I check" in s.thought] for t in hunts]
    assert sum(map(bool, searched)) >= 10
    for trajectory in hunts:
        last = trajectory.steps[-1].action
        assert last.startswith(("use ", "move ", "put "))
        assert last.startswith("use ") or " ".join(last.split()[1:3]) not in _line(trajectory)


def _line(trajectory: Trajectory) -> str:
    return trajectory.steps[0].observation.rpartition("Your task is to: ")[2]


async def test_the_same_seed_writes_the_same_corpus(exercises: Write) -> None:
    first, second, other = [await exercises(30, seed) for seed in (1, 1, 2)]
    assert [t.model_dump() for t in first] == [t.model_dump() for t in second]
    assert [t.model_dump() for t in first] != [t.model_dump() for t in other]


async def test_a_split_without_games_is_an_error(services: Services) -> None:
    env, actre = services
    with pytest.raises(NotFoundError, match="valid_seen"):
        await anext(aiter(write_corpus(env, actre, "valid_seen", 1, 0, lambda *_: None)))
