"""Child processes for the official engine."""

from __future__ import annotations

from ...children import ChildPool, ChildProgram

__all__ = ["PROGRAM", "OfficialPool"]

PROGRAM = ChildProgram("a3t_env.alfworld.official.child", "the official engine")


class OfficialPool(ChildPool):
    """Hands out one child process of about 150 MB per episode.

    A child is replaced after `games_per_child` games, because the planner library never frees memory. The arguments are
    those of `ChildPool`.
    """

    def __init__(
        self,
        size: int | None = None,
        games_per_child: int = 50,
        load_seconds: float = 120.0,
        step_seconds: float = 30.0,
    ) -> None:
        hint = "Close an episode, raise the number of processes, or use the native engine."
        super().__init__(PROGRAM, size, games_per_child, load_seconds, step_seconds, hint)
