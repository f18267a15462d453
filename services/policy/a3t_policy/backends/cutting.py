"""What upstream servers get for an agent's turn."""

from __future__ import annotations

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react.format import STOP_STRINGS

from ..generation import Generation

__all__ = ["require_exact_ids", "stop_strings"]


def stop_strings(generation: Generation) -> list[str]:
    """The stop strings of a request. For an agent's turn the label of an observation is added."""
    return [*generation.stop, *(STOP_STRINGS if generation.act else ())]


def require_exact_ids(generation: Generation, exact: bool, server: str) -> None:
    """Raises InvalidInputError for a turn in a chat template where a server takes text alone: the special tokens of the
    prompt would be its tokenizer's reading of a text, and what it wrote would be trained on as other tokens."""
    if generation.chat and not exact:
        raise InvalidInputError(
            f"prompt: chat needs token ids both ways, and {server} is asked with text alone.",
            hint="Use `prompt: plain`, or vLLM with A3T_POLICY_UPSTREAM_TOKEN_IDS=true.",
        )
