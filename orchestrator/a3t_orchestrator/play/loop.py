"""The dialogue of `a3t play`: reads a line, carries it out and shows the result."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from a3t_contracts.errors import A3TError
from a3t_contracts.schemas import ActResult

from .game import Game
from .screen import HELP, Screen

__all__ = ["Dialogue"]

ResultT = TypeVar("ResultT")


class Dialogue:
    """Reads one line at a time and carries it out. Lines are read outside the event loop, because reading blocks."""

    def __init__(self, game: Game, screen: Screen, runner: asyncio.Runner, suggest: bool) -> None:
        self.game = game
        self.screen = screen
        self._run_async = runner.run
        self._suggest = suggest
        self._listed: list[str] = []
        self._suggestion: ActResult | None = None
        self._commands: dict[str, Callable[[str], None]] = {
            "actions": self._list,
            "suggest": lambda _: self._ask_policy(),
            "why": self._why,
            "hint": self._hint,
            "help": lambda _: self.screen.say(HELP),
        }

    def run(self) -> None:
        """Read and carry out lines until the episode ends or the player leaves."""
        self.screen.opening(self.game.session)
        self._begin_turn()
        while not self.game.over:
            line = self._read()
            if line is None or line in (":quit", ":q"):
                break
            if line.startswith(":"):
                self._command(line)
            else:
                self._act(line)
        self.screen.ending(self.game.steps, self.game.result)

    def _begin_turn(self) -> None:
        self._suggestion, self._listed = None, []
        if self._suggest and not self.game.over:
            self._ask_policy()

    def _read(self) -> str | None:
        """Read a line, without leading and trailing blanks; None at the end of the input."""
        try:
            line = self.screen.console.input("[bold]> [/bold]").strip()
        except EOFError:
            self.screen.say("")
            return None
        if not sys.stdin.isatty():
            self.screen.say(line)
        return line

    def _act(self, line: str) -> None:
        action = self._meant(line)
        if not action:
            self.screen.say("Type an action, or :help for help.", "yellow")
            return
        result = self._call(self.game.step(action, self._suggestion))
        if result is not None:
            self.screen.step(self.game.session, result)
            self._begin_turn()

    def _meant(self, line: str) -> str:
        """Return the action that a line stands for: an empty line the suggestion, a number an action of the list, else
        the line itself."""
        if not line:
            return self._suggestion.action if self._suggestion else ""
        if line.isdecimal() and 1 <= int(line) <= len(self._listed):
            return self._listed[int(line) - 1]
        return line

    def _command(self, line: str) -> None:
        name, _, rest = line[1:].partition(" ")
        command = self._commands.get(name)
        if command is None:
            self.screen.say(f"There is no command :{name}.\n{HELP}", "yellow")
        else:
            command(rest.strip())

    def _list(self, _: str) -> None:
        actions = self._call(self.game.actions())
        if actions is not None:
            self._listed = actions
            self.screen.actions(actions)

    def _ask_policy(self) -> None:
        self._suggestion = self._call(self.game.suggest())
        if self._suggestion is not None:
            self.screen.suggestion(self._suggestion)

    def _why(self, action: str) -> None:
        meant = self._meant(action)
        if not meant:
            self.screen.say("Name the action: :why ACTION", "yellow")
            return
        reason = self._call(self.game.why(meant))
        if reason is not None:
            self.screen.say(f"  {reason}", "italic")

    def _hint(self, _: str) -> None:
        action = self._call(self.game.expert())
        if action is not None:
            self.screen.say(f"  {action}", "bold")

    def _call(self, call: Coroutine[Any, Any, ResultT]) -> ResultT | None:
        """Wait for a call and return its result. An error is shown and the game continues; the result is then None."""
        try:
            return self._run_async(call)
        except A3TError as error:
            self.screen.say(str(error), "red")
            return None
