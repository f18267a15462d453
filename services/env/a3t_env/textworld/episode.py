"""One TextWorld episode behind the environment protocol."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from a3t_contracts.errors import ConflictError, InvalidInputError

from ..children import ChildEpisode
from ..protocol import Outcome

__all__ = ["TextWorldEpisode"]


class TextWorldEpisode:
    """A game in a child process. Implements `a3t_env.protocol.Episode`.

    Args:
        walkthrough: commands that win the game from its start.
    """

    def __init__(self, played: ChildEpisode, walkthrough: Sequence[str]) -> None:
        self._played = played
        self._walkthrough = walkthrough
        self._followed: int | None = 0
        """How many commands of the walkthrough were done; None where the agent has left it."""
        self._state: dict[str, Any] | None = None

    def start(self) -> Outcome:
        """The task and the first room."""
        self._state, self._followed = self._played.start(), 0
        return self._outcome(self._state, valid=True)

    def step(self, action: str) -> Outcome:
        """Carry out an action. `valid` is false if it was not admissible and changed nothing that can be seen."""
        before, command = self._begun(), " ".join(action.split())
        after = self._played.step(command)
        self._follow(command, before["plan"], after["plan"])
        self._state = after
        changed = any(before[what] != after[what] for what in ("actions", "plan", "score", "done"))
        return self._outcome(after, valid=changed or command in before["actions"])

    def actions(self) -> list[str]:
        """Admissible commands, sorted."""
        return list(self._begun()["actions"])

    def sample(self, seed: int, avoid: str | None = None) -> str:
        """A uniform draw from the admissible commands; deterministic by seed and state."""
        choices = self.actions()
        others = [a for a in choices if a != avoid]
        if not choices:
            raise ConflictError("The game is over: there is no action to draw.")
        return random.Random(seed).choice(others or choices)

    def expert(self) -> str:
        """The next command of the package's walkthrough; where the agent has left it, of the package's own plan from
        here. Both know the whole game, not only what was visible.

        Raises InvalidInputError where the package knows no way to win from here.
        """
        plan = self._begun()["plan"]
        if self._followed is not None and self._followed < len(self._walkthrough):
            return self._walkthrough[self._followed]
        if not plan:
            raise InvalidInputError("TextWorld knows no way to win from here.", hint="Start the task anew.")
        command: str = plan[0]
        return command

    def close(self) -> None:
        """Return the child process to the pool."""
        self._played.close()

    def _follow(self, command: str, before: list[str], after: list[str]) -> None:
        """A detour that leaves the plan as it was, such as a look around, does not leave the walkthrough."""
        if self._followed is None:
            return
        if self._followed < len(self._walkthrough) and command == self._walkthrough[self._followed]:
            self._followed += 1
        elif before != after:
            self._followed = None

    def _begun(self) -> dict[str, Any]:
        if self._state is None:
            raise ConflictError("The episode was not started.")
        return self._state

    @staticmethod
    def _outcome(state: dict[str, Any], *, valid: bool) -> Outcome:
        won = bool(state["won"])
        return Outcome(
            state["text"],
            reward=float(won),
            done=state["done"],
            success=won,
            valid=valid,
            info={"score": state["score"], "max_score": state["most"]},
        )
