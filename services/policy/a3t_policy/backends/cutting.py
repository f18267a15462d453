"""The stop strings that upstream servers get for an agent's turn."""

from __future__ import annotations

from a3t_contracts.react.format import STOP_STRINGS

from ..generation import Generation

__all__ = ["stop_strings"]


def stop_strings(generation: Generation) -> list[str]:
    """The stop strings of a request. For an agent's turn the label of an observation is added."""
    return [*generation.stop, *(STOP_STRINGS if generation.act else ())]
