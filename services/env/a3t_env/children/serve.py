"""The child's side of the protocol. A request is {"op": name, …arguments}, a reply {"ok": {…}} or {"error": "…"}
(`json_lines`), with "unplayable": true if the game can never be played."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any, NoReturn, Protocol

from ..json_lines import answer_requests

__all__ = ["ChildGame", "serve"]


class ChildGame(Protocol):
    """A game that a child process plays. A state is a JSON object, whose keys depend on the engine."""

    def load(self, path: str) -> dict[str, Any]:
        """Load a game file in place of the current game."""

    def start(self) -> dict[str, Any]:
        """Start the game, or start it again, and return the first state."""

    def step(self, command: str) -> dict[str, Any]:
        """Carry out a command, and return the state after it."""


def serve(game: ChildGame, module: str, what: str) -> NoReturn:
    """Answer requests until stdin is closed.

    Args:
        game: the game to play.
        module: the program's name for --help.
        what: a sentence that says what the program plays.
    """
    argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=f"{what} The env service starts it; requests come as JSON lines on standard input, replies go to "
        "standard output. It reads no settings.",
    ).parse_args()
    answer_requests(partial(_answer, game))


def _answer(game: ChildGame, request: dict[str, str]) -> dict[str, Any]:
    operation = request.pop("op")
    try:
        return {"ok": getattr(game, operation)(**request)}
    except Exception as error:
        told = {"error": f"{type(error).__name__}: {str(error)[:500]}"}
        broken = operation == "load" and not isinstance(error, (OSError, MemoryError))
        return told | ({"unplayable": True} if broken or getattr(error, "unplayable", None) is True else {})
