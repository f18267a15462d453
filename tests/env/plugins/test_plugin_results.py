"""What a person's environment may give, and what is refused."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from a3t_env.plugins.results import MAX_OBSERVATION, BadResultError, Reply, read_actions, read_reset, read_step
from a3t_env.protocol import Outcome


@dataclass
class Result:
    observation: str
    reward: float
    done: bool
    actions: list[str] | None = None


Named = namedtuple("Named", "observation reward done info")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (("a", 0, False), Outcome("a")),
        (["a", True, 1], Outcome("a", 1.0, True, True)),
        (("a", 1.0, False), Outcome("a", 1.0, False, False)),
        (("a", 0.5, True), Outcome("a", 0.5, True, False)),
        (("a", 0.5, True, True), Outcome("a", 0.5, True, True)),
        (("a", 0, False, False, False), Outcome("a", valid=False)),
        (("a", 0, False, {"k": 1}), Outcome("a", info={"k": 1})),
        (("a", 1, True, False, {"k": 1}), Outcome("a", 1.0, True, True, info={"k": 1})),
        (("a", 0, False, True, {}), Outcome("a", 0.0, True, False)),
        (("a", np.float32(0.5), np.bool_(True)), Outcome("a", 0.5, True, False)),
        ({"observation": "a", "reward": 1, "terminated": False, "truncated": True}, Outcome("a", 1.0, True, True)),
        (Result("a", 0, False), Outcome("a")),
        (Named("a", 0, False, {"n": np.int64(3), "f": float("nan")}), Outcome("a", info={"n": 3, "f": None})),
    ],
)
def test_a_step_may_be_given_in_many_forms(given: object, read: Outcome) -> None:
    assert read_step(given).outcome == read


def test_actions_come_with_a_step() -> None:
    assert read_step(("a", 0, False, None, None, ["x", "y"])).actions == ["x", "y"]
    assert read_step(Result("a", 0, False, ["x"])).actions == ["x"]
    assert read_actions({"b", "a"}) == ["a", "b"]


def test_success_has_a_threshold() -> None:
    assert read_step(("a", 0.6, True), success_reward=0.5).outcome.success
    assert not read_step(("a", 0.6, False), success_reward=0.5).outcome.success


def test_a_reset_gives_an_observation() -> None:
    assert read_reset("a") == Reply(Outcome("a"))
    assert read_reset(("a", {"k": 1})) == Reply(Outcome("a", info={"k": 1}))
    assert read_reset({"observation": "a", "actions": ["x"]}) == Reply(Outcome("a"), ["x"])


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (None, "must give \\(observation, reward, done\\)"),
        ("abc", "must give \\(observation, reward, done\\)"),
        (("a", 0), "must give \\(observation, reward, done\\)"),
        ((b"a", 0, False), "observation must be a text"),
        (("a\0", 0, False), "NUL"),
        (("\ud800", 0, False), "not valid Unicode"),
        (("a" * (MAX_OBSERVATION + 1), 0, False), "at most 1,000,000"),
        (("a", float("nan"), False), "must be finite"),
        (("a", float("-inf"), False), "must be finite"),
        (("a", "1", False), "reward must be a number"),
        (("a", None, False), "reward must be a number"),
        (("a", 10**400, False), "reward must be a number"),
        (("a", 0, "no"), "done must be true or false"),
        (("a", 0, 2), "done must be true or false"),
        (("a", 0, None), "whether the episode is done"),
        (("a", 0, False, "yes"), "success must be true or false"),
        (("a", 0, False, None, None, "look"), "actions must be a list of texts"),
        (("a", 0, False, None, None, [""]), "an action is empty"),
        (("a", 0, False, {"x": "y" * 70_000}), "info has"),
        ({"observation": "a", "reward": 0, "done": False, "succes": True}, "the unknown key 'succes'"),
        ({"observation": "a", "done": False}, "no reward"),
    ],
)
def test_garbage_is_refused_in_words(given: Any, problem: str) -> None:
    with pytest.raises(BadResultError, match=problem):
        read_step(given)
