"""A real server of the openenv package with an environment that echoes."""

from __future__ import annotations

from typing import Any, ClassVar

from openenv.core.env_server import Environment, create_fastapi_app
from openenv.core.env_server.types import Action, Observation, State

__all__ = ["Echo", "Guess", "Seen", "server"]


class Guess(Action):
    message: str


class Seen(Observation):
    echoed: str
    guesses: int = 0


class Echo(Environment[Guess, Seen, State]):
    """Echoes; the word of the task, which is its number, ends the episode."""

    SUPPORTS_CONCURRENT_SESSIONS: ClassVar[bool] = True
    open = 0

    def __init__(self) -> None:
        super().__init__()
        Echo.open += 1
        self.number, self.guesses = 0, 0

    def reset(self, seed: int | None = None, episode_id: str | None = None, **_: Any) -> Seen:
        self.number, self.guesses = seed or 0, 0
        return Seen(echoed=f"Say the number after {self.number}.", done=False, reward=None)

    def step(self, action: Guess, timeout_s: float | None = None, **_: Any) -> Seen:
        if action.message == "break":
            raise RuntimeError("the echo broke")
        self.guesses += 1
        done = action.message == str(self.number + 1)
        size = 2_000_000 if action.message == "shout" else 1
        return Seen(echoed=action.message * size, guesses=self.guesses, done=done, reward=float(done))

    @property
    def state(self) -> State:
        return State(step_count=self.guesses)

    def close(self) -> None:
        Echo.open -= 1


def server(envs: int = 8) -> Any:
    """Its app."""
    return create_fastapi_app(Echo, Guess, Seen, max_concurrent_envs=envs)
