"""Engines in supervised child processes: for libraries that are not thread-safe, may hang, or leak.

A child is a program whose `main` calls `serve.serve(game, …)`. The parent has a `ChildPool` of them, and a
`ChildEpisode` that takes one child for an episode: requests with deadlines, a killed child for each that hangs.
"""

from .episode import ChildEpisode
from .pool import ChildPool
from .process import ChildProcess, ChildProgram

__all__ = ["ChildEpisode", "ChildPool", "ChildProcess", "ChildProgram"]
