"""Backends: the engine in this process, engines in child processes, or upstream servers."""

from __future__ import annotations

from a3t_contracts.base_model import resolve_base_model

from ..generation import Backend
from ..processes.count import engine_processes
from ..settings import PolicySettings

__all__ = ["make_backend"]


def make_backend(settings: PolicySettings) -> Backend:
    """Create the backend that the settings name, without starting it. Only the local backend imports torch."""
    if settings.policy_backend == "openai":
        from .openai import OpenAIBackend

        return OpenAIBackend(settings)
    if settings.policy_backend == "tgi":
        from .tgi import TGIBackend

        return TGIBackend(settings)
    processes = engine_processes(settings, resolve_base_model(settings.policy_base_model))
    if processes > 1:
        from .parallel import ParallelBackend

        return ParallelBackend(settings, processes)
    from .local import LocalBackend

    return LocalBackend(settings)
