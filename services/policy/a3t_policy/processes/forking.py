"""The process from which engine processes are forked. It imports their modules once, for all of them."""

from __future__ import annotations

from multiprocessing import forkserver, get_context
from multiprocessing.context import ForkServerContext

__all__ = ["begin_forking", "forking"]

_PRELOADED = ["a3t_policy.processes.child"]


def forking() -> ForkServerContext:
    """Return the context that makes processes forked from it."""
    context = get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def begin_forking() -> None:
    """Start the process, so that it imports torch while this process does other things."""
    forking()
    forkserver.ensure_running()
