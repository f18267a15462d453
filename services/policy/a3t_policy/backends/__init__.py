"""Backends: the engine in this process, or upstream servers."""

from __future__ import annotations

from ..generation import Backend
from ..settings import PolicySettings

__all__ = ["make_backend"]


def make_backend(settings: PolicySettings) -> Backend:
    """Create the backend that the settings name; it is not started. Only the local backend imports torch."""
    if settings.policy_backend == "openai":
        from .openai import OpenAIBackend

        return OpenAIBackend(settings)
    if settings.policy_backend == "tgi":
        from .tgi import TGIBackend

        return TGIBackend(settings)
    from .local import LocalBackend

    return LocalBackend(settings)
