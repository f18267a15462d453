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
        """Number of the walkthrough's commands that were done; None after the agent has left the walkthrough."""
        self._state: dict[str, Any] | None = None

    def start(self) -> Outcome:
        """Start the episode. The first observation has the task and the first room."""
        self._state, self._followed = self._played.start(), 0
        return self._outcome(self._state, valid=True)

    def step(self, action: str) -> Outcome:
        """Carry out an action. `valid` is false if it was not admissible and had no visible effect."""
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
        """Draw uniformly from the admissible commands. The same seed and state give the same draw."""
        choices = self.actions()
        others = [a for a in choices if a != avoid]
        if not choices:
            raise ConflictError("The game is over: there is no action to draw.")
        return random.Random(seed).choice(others or choices)

    def expert(self) -> str:
        """The next command of the package's walkthrough. After the agent has left the walkthrough, it is the next
        command of the package's plan from here. Both know the whole game, not only what was visible.

        Raises InvalidInputError if the package knows no way to win from here.
        """
        plan = self._begun()["plan"]
        if self._followed is not None and self._followed < len(self._walkthrough):
            return self._walkthrough[self._followed]
        if not plan:
            raise InvalidInputError("TextWorld knows no way to win from here.", hint="Start the task again.")
        command: str = plan[0]
        return command

    def close(self) -> None:
        """Return the child process to the pool."""
        self._played.close()

    def _follow(self, command: str, before: list[str], after: list[str]) -> None:
        """Count the done commands of the walkthrough. A command that changes no plan, such as "look", does not leave
        it.
        """
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
