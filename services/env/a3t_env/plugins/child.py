"""`python -m a3t_env.plugins.child MODULE:CLASS`: the process in which the code of a plug-in runs.

It holds many episodes and answers one request at a time: {"op": "describe"}; {"op": "reset", "episode": id, "task":
{…}, "seed": n, "options": {…}}; {"op": "step", "episode": id, "action": text}; {"op": "actions", "expert" or "close",
"episode": id}; {"op": "sample", "episode": id, "seed": n}. A reply is {"ok": …}, or {"error": text} if the plug-in
raised or returned an invalid result. The error has "unplayable": true if the exception says that the task can never be
played.
"""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any, cast

from ..json_lines import answer_requests
from .description import Kind, describe, task_for_reset
from .plugin import EnvironmentPlugin
from .results import BadResultError, Reply, read_action, read_actions, read_reset, read_step
from .target import TargetError, load_target, says_unplayable, where_raised

__all__ = ["PluginHost", "main"]


class PluginHost:
    """The episodes of one plug-in in this process."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._kind: Kind | None = None
        self._episodes: dict[int, Any] = {}
        self._success_reward: dict[int, float] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a request. Any exception of the plug-in, even SystemExit, becomes an error in the reply."""
        operation = request.pop("op")
        try:
            return {"ok": getattr(self, f"_{operation}")(**request)}
        except (BadResultError, TargetError) as error:
            return {"error": str(error)}
        except BaseException as error:
            told = {"unplayable": True} if says_unplayable(error) else {}
            return {"error": f"{operation} raised {where_raised(error)}"} | told

    def _describe(self) -> dict[str, Any]:
        kind = self._loaded()
        return {"rich": True} if isinstance(kind, EnvironmentPlugin) else describe(kind)

    def _reset(self, episode: int, task: dict[str, Any], seed: int, options: dict[str, str]) -> dict[str, Any]:
        one = self._loaded()()
        self._episodes[episode] = one
        self._success_reward[episode] = float(getattr(one, "success_reward", 1.0))
        arguments = (task_for_reset(task), seed, options) if options else (task_for_reset(task), seed)
        return _plain(read_reset(one.reset(*arguments)))

    def _step(self, episode: int, action: str) -> dict[str, Any]:
        return _plain(read_step(self._episodes[episode].step(action), self._success_reward[episode]))

    def _actions(self, episode: int) -> list[str]:
        return read_actions(self._episodes[episode].actions())

    def _sample(self, episode: int, seed: int) -> str:
        return read_action(self._episodes[episode].sample(seed))

    def _expert(self, episode: int) -> str:
        return read_action(self._episodes[episode].expert())

    def _close(self, episode: int) -> None:
        one = self._episodes.pop(episode, None)
        self._success_reward.pop(episode, None)
        close = getattr(one, "close", None)
        if callable(close):
            close()

    def _loaded(self) -> Kind:
        if self._kind is None:
            self._kind = cast(Kind, load_target(self._target))
        return self._kind


def _plain(reply: Reply) -> dict[str, Any]:
    plain = {field.name: getattr(reply.outcome, field.name) for field in dataclasses.fields(reply.outcome)}
    return plain | {"actions": reply.actions}


def main() -> None:
    """Serve one plug-in until stdin is closed."""
    parser = argparse.ArgumentParser(
        prog="python -m a3t_env.plugins.child",
        description="Runs the code of an environment plug-in for the env service, which starts it: requests come as "
        "JSON lines on standard input, replies go to standard output. It reads no settings.",
    )
    parser.add_argument("target", metavar="MODULE:CLASS", help="the class, or a function that returns an environment")
    answer_requests(PluginHost(parser.parse_args().target).answer)


if __name__ == "__main__":
    main()
