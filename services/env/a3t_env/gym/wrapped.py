"""Gymnasium environments whose observations can be put into words, with text or discrete actions.

This module does not import gymnasium: the caller, who makes the environment, has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["GymnasiumGame", "from_gymnasium"]


class GymnasiumGame:
    """A Gymnasium environment whose `reset(task, seed)` and `step(action)` take and return texts; see
    `from_gymnasium`.
    """

    def __init__(self, env: Any, splits: Mapping[str, int], names: Sequence[str] | None, tell: Callable[[Any], str]):
        self._env, self._tell = env, tell
        self.splits = dict(splits)
        self._names = list(names) if names is not None else _names_of(env.action_space)
        if self._names is not None:
            self.actions = lambda: list(self._names or ())

    def reset(self, task: Any, seed: int) -> str:
        """Return the first observation. Only the task's seed is used, so that the same task id is always the
        same game.
        """
        observation, _ = self._env.reset(seed=int(task.seed))
        return self._tell(observation)

    def step(self, action: str) -> tuple[object, ...]:
        """Return observation, reward, done, success and valid. The last two come from `info`; success None means that
        the reward decides.
        """
        if self._names is None:
            given: object = action
        elif action in self._names:
            given = self._number(action)
        else:
            return f"There is no action {action[:80]!r}.", 0.0, False, False, False
        observation, reward, terminated, truncated, info = self._env.step(given)
        success = info.get("success", info.get("is_success"))
        done = bool(terminated or truncated)
        success = None if success is None else bool(success) and done
        return self._tell(observation), float(reward), done, success, bool(info.get("valid", True))

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    def _number(self, action: str) -> int:
        return int(getattr(self._env.action_space, "start", 0)) + (self._names or []).index(action)


def from_gymnasium(
    make: Callable[[], Any],
    *,
    splits: Mapping[str, int],
    actions: Sequence[str] | None = None,
    tell: Callable[[Any], str] = str,
    **described: Any,
) -> Callable[[], Any]:
    """Turn a Gymnasium environment into a factory for `serve` or `A3T_ENV_PLUGINS`.

    Args:
        make: makes the environment, for example `lambda: gymnasium.make("FrozenLake-v1")`.
        splits: number of tasks by split; each task has its own seed for `reset`.
        actions: names of discrete actions in their order; default: their numbers. Text actions have no names.
        tell: puts an observation into words.
        described: further attributes, for example `max_steps`, `about`, `example`, `success_reward`.

    The factory raises ValueError if actions are neither text nor discrete, or if there are not as many names as
    actions.
    """

    def game() -> GymnasiumGame:
        env = make()
        made = GymnasiumGame(env, splits, actions, tell)
        count = getattr(env.action_space, "n", None)
        if actions is not None and count is not None and int(count) != len(actions):
            raise ValueError(f"there are {count} actions, but {len(actions)} names")
        for name, value in described.items():
            setattr(made, name, value)
        return made

    return game


def _names_of(space: Any) -> list[str] | None:
    """The numbers of a discrete space; None for text."""
    if hasattr(space, "n"):
        start = int(getattr(space, "start", 0))
        return [str(number) for number in range(start, start + int(space.n))]
    if hasattr(space, "characters"):
        return None
    raise ValueError(f"actions must be text or discrete, not {space}")
