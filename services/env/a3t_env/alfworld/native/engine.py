"""One episode of a game, played by this engine."""

from __future__ import annotations

from .commands import Commands, admissible
from .effects import QUERIES
from .game import Game
from .goal import holds
from .state import State
from .texts import NOTHING_HAPPENS, introduction

__all__ = ["NativeEngine"]


class NativeEngine:
    """The engine protocol (a3t_env.alfworld.engine) over a parsed game. All state is in the object."""

    __slots__ = ("_commands", "_game", "_sorted", "_state", "won")

    def __init__(self, game: Game) -> None:
        self._game = game
        self._state = State(game.start)
        self._commands: Commands | None = None
        self._sorted: list[str] | None = None
        self.won: bool = holds(game.goal, self._state)

    @property
    def state(self) -> State:
        """The present state, to be read only."""
        return self._state

    def start(self) -> str:
        """Start the episode again, and return the first observation."""
        self._state = State(self._game.start)
        self._commands = self._sorted = None
        self.won = holds(self._game.goal, self._state)
        return introduction(self._game, self._state)

    def step(self, command: str) -> tuple[str, bool]:
        """Carry out a command. Returns the observation, and whether the command was admissible."""
        known = self._admissible().get(command.strip())
        if known is None:
            return NOTHING_HAPPENS, False
        effect, first, second = known
        text = effect(self._game, self._state, first, second)
        if effect not in QUERIES:
            self._commands = self._sorted = None
            self.won = holds(self._game.goal, self._state)
        return text, True

    def actions(self) -> list[str]:
        """Admissible commands, sorted."""
        if self._sorted is None:
            self._sorted = sorted(self._admissible())
        return list(self._sorted)

    def close(self) -> None:
        """Does nothing: the engine holds no resources."""

    def _admissible(self) -> Commands:
        if self._commands is None:
            self._commands = admissible(self._game, self._state)
        return self._commands
