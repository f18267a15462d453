"""Where completions come from: the engine in this process, or servers behind it."""

from __future__ import annotations

from ..generation import Backend
from ..settings import PolicySettings

__all__ = ["make_backend"]


def make_backend(settings: PolicySettings) -> Backend:
    """The backend of the settings, not yet started. Only the local one loads torch."""
    if settings.policy_backend == "openai":
        from .openai import OpenAIBackend

        return OpenAIBackend(settings)
    if settings.policy_backend == "tgi":
        from .tgi import TGIBackend

        return TGIBackend(settings)
    from .local import LocalBackend

    return LocalBackend(settings)
