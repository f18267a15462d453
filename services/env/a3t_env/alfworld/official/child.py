"""The child process around the official engine. A state is {"text", "actions", "won"}."""

from __future__ import annotations

from typing import Any

from a3t_env.children.serve import serve

__all__ = ["main"]


class _Game:
    """The loaded game, with the names that alfworld gives to objects, and without alfworld's expert."""

    def __init__(self) -> None:
        self._env: Any = None

    def load(self, path: str) -> dict[str, Any]:
        import textworld
        from alfworld.agents.environment.alfred_tw_env import AlfredDemangler

        self._env = None
        infos = textworld.EnvInfos(won=True, admissible_commands=True)
        self._env = textworld.start(path, request_infos=infos, wrappers=[AlfredDemangler(shuffle=False)])
        return {}

    def start(self) -> dict[str, Any]:
        return _state(self._env.reset())

    def step(self, command: str) -> dict[str, Any]:
        state, _, _ = self._env.step(command)
        return _state(state)


def _state(state: Any) -> dict[str, Any]:
    return {"text": state["feedback"], "actions": state["admissible_commands"], "won": bool(state["won"])}


def main() -> None:
    """Serve requests until stdin is closed."""
    serve(_Game(), "a3t_env.alfworld.official.child", "Plays games on the official ALFWorld engine, one at a time.")


if __name__ == "__main__":
    main()
