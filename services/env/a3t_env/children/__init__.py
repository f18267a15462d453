"""Engines in supervised child processes, for libraries that are not thread-safe, may hang, or leak memory.

A child is a program whose `main` calls `serve.serve(game, …)`. The parent has a `ChildPool` of them. A `ChildEpisode`
takes one child for an episode; its requests have deadlines, and a child that hangs is killed.
"""

from .episode import ChildEpisode
from .pool import ChildPool
from .process import ChildProcess, ChildProgram

__all__ = ["ChildEpisode", "ChildPool", "ChildProcess", "ChildProgram"]
