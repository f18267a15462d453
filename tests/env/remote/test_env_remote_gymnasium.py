"""Gymnasium environments behind HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import pytest
from gymnasium.spaces import Box, Text

from a3t_env.gym import from_gymnasium
from a3t_env.reference_server import environment_app
from a3t_env.sessions import SessionManager
from tests.support.examples import load_example
from tests.support.live_server import live_server
from tests.support.remote_play import play

ManagerOf = Callable[..., SessionManager]
WAY = ["down", "down", "right", "right", "down", "right"]


class Repeat(gymnasium.Env[str, str]):
    """Text in, text out: the word of the seed is to be repeated."""

    observation_space = Text(40)
    action_space = Text(40)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        self.word = str(self.np_random.integers(10**6))
        return f"Say {self.word}", {}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        return "done", float(action == self.word), True, False, {}


async def test_discrete_actions_have_names(manager_of: ManagerOf) -> None:
    with live_server(environment_app(load_example("environments/frozen_lake.py").frozen_lake)) as url:
        manager = manager_of(f"game={url}")
        session = await manager.create(play("train-007", include_actions=True))
        assert session.actions == ["left", "down", "right", "up"]
        assert not (await manager.step(session.id, "dance", 0)).valid
        for index, action in enumerate(WAY):
            result = await manager.step(session.id, action, index + 1)
        assert (result.done, result.success, result.reward) == (True, True, 1.0)


async def test_text_actions_are_passed_on_and_the_task_is_the_seed(manager_of: ManagerOf) -> None:
    with live_server(environment_app(from_gymnasium(Repeat, splits={"train": 9}))) as url:
        manager = manager_of(f"game={url}")
        session, same = await manager.create(play()), await manager.create(play(seed=5))
        other = await manager.create(play("train-008"))
        assert session.observation == same.observation != other.observation
        assert not manager.environments.get("game").info().lists_actions
        assert (await manager.step(session.id, session.observation.removeprefix("Say "), 0)).success


def test_info_says_whether_an_action_was_understood_and_the_task_solved() -> None:
    class Telling(Repeat):
        def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
            info = {"valid": action != "?", "is_success": action in ("early", "good")}
            return "done", 1.0, action in ("good", "bad"), False, info

    game = from_gymnasium(Telling, splits={"train": 1})()
    said = {action: game.step(action)[2:] for action in ("?", "early", "good", "bad")}
    assert said == {
        "?": (False, False, False),
        "early": (False, False, True),
        "good": (True, True, True),
        "bad": (True, False, True),
    }


def test_what_cannot_be_played_is_told() -> None:
    class Pushing(Repeat):
        action_space = Box(0, 1)  # type: ignore[assignment]

    with pytest.raises(ValueError, match="text or discrete"):
        from_gymnasium(Pushing, splits={"train": 1})()
    lake = lambda: gymnasium.make("FrozenLake-v1")  # noqa: E731 - as a user writes it
    with pytest.raises(ValueError, match="4 actions, but 1 names"):
        from_gymnasium(lake, splits={"train": 1}, actions=["left"])()
