"""The child process around textworld.

A state is {"text", "actions", "won", "done", "score", "most", "plan"}; `plan` has the commands that win from here, if
the package knows them.
"""

from __future__ import annotations

from typing import Any

from a3t_env.children.serve import serve

from .texts import tidy

__all__ = ["TextWorldGame", "main"]

_NO_VERB = "That's not a verb I recognise."
"""The interpreter's answer to an unknown verb."""


class TextWorldGame:
    """The game that this process plays."""

    def __init__(self) -> None:
        self._env: Any = None
        self._state: dict[str, Any] = {}
        self._verbs: frozenset[str] = frozenset()

    def load(self, path: str) -> dict[str, Any]:
        """Open a story file, which has its .json beside it."""
        import textworld

        if self._env is not None:
            self._env.close()
        self._env = None
        wanted = textworld.EnvInfos(
            admissible_commands=True,
            policy_commands=True,
            won=True,
            score=True,
            max_score=True,
            verbs=True,
        )
        self._env = textworld.start(path, request_infos=wanted)
        return {}

    def start(self) -> dict[str, Any]:
        """Start the game, or start it again."""
        first = self._env.reset()
        self._verbs = frozenset(first["verbs"])
        self._state = _state(first, done=False)
        return self._state

    def step(self, command: str) -> dict[str, Any]:
        """Carry out a command that begins with a verb of the game.

        Other commands do not reach the interpreter, because it has further verbs: to save files, to restart, to show
        what is hidden.
        """
        if command.partition(" ")[0] not in self._verbs:
            return self._state | {"text": _NO_VERB}
        state, _, done = self._env.step(command)
        self._state = _state(state, done=bool(done))
        return self._state


def _state(state: Any, *, done: bool) -> dict[str, Any]:
    return {
        "text": tidy(state["feedback"]),
        "actions": sorted(state["admissible_commands"] or ()),
        "won": bool(state["won"]),
        "done": done,
        "score": state["score"],
        "most": state["max_score"],
        "plan": list(state["policy_commands"] or ()),
    }


def main() -> None:
    """Serve requests until stdin is closed."""
    serve(TextWorldGame(), "a3t_env.textworld.child", "Plays TextWorld games, one at a time.")


if __name__ == "__main__":
    main()
