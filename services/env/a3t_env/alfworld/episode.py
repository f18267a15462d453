"""One ALFWorld episode for the env service, with either engine."""

from __future__ import annotations

import random

from a3t_contracts.errors import ConflictError
from a3t_env.protocol import Outcome

from .engine import Engine
from .expert import ScriptedExpert, Search

__all__ = ["AlfworldEpisode"]

_NEVER_SAMPLED = "help"
"""An action that is always admissible, always gives the same observation, and never changes anything."""


class AlfworldEpisode:
    """Adds sampling and the scripted expert to an engine. Implements `a3t_env.protocol.Episode`.

    Args:
        search: how the scripted expert searches.
    """

    def __init__(self, engine: Engine, search: Search = "likely") -> None:
        self._engine = engine
        self._search: Search = search
        self._first: str | None = None
        self._turns: list[tuple[str, str]] = []
        self._expert: ScriptedExpert | None = None
        self._told = 0

    def start(self) -> Outcome:
        """Start the episode; the first observation is that of the official engine: banner, room, task."""
        self._first = self._engine.start()
        self._turns.clear()
        self._expert, self._told = None, 0
        return self._outcome(self._first, valid=True)

    def step(self, action: str) -> Outcome:
        """Carry out an action. `valid` is false if and only if it was not admissible ("Nothing happens.")."""
        self._begun()
        observation, valid = self._engine.step(action)
        self._turns.append((action.strip(), observation))
        return self._outcome(observation, valid=valid)

    def actions(self) -> list[str]:
        """Admissible commands, sorted, as the official engine lists them."""
        self._begun()
        return self._engine.actions()

    def sample(self, seed: int, avoid: str | None = None) -> str:
        """Draw uniformly from the admissible commands except `help`. The same seed and state give the same draw."""
        choices = [a for a in self.actions() if a != _NEVER_SAMPLED]
        others = [a for a in choices if a != avoid]
        return random.Random(seed).choice(others or choices)

    def expert(self) -> str:
        """The scripted expert's next action, from the observations of this episode alone.

        Raises InvalidInputError if the expert does not understand the wording of the task.
        """
        first = self._begun()
        if self._expert is None:
            self._expert = ScriptedExpert(first, search=self._search)
        for action, observation in self._turns[self._told :]:
            self._expert.observe(action, observation)
        self._told = len(self._turns)
        return self._expert.act()

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()

    def _begun(self) -> str:
        if self._first is None:
            raise ConflictError("The episode was not started.")
        return self._first

    def _outcome(self, observation: str, *, valid: bool) -> Outcome:
        won = self._engine.won
        return Outcome(observation, reward=float(won), done=won, success=won, valid=valid)
