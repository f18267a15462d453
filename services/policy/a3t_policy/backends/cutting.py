"""Prepares requests for an agent's turn to upstream servers."""

from __future__ import annotations

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react.format import STOP_STRINGS

from ..generation import Generation

__all__ = ["require_exact_ids", "stop_strings"]


def stop_strings(generation: Generation) -> list[str]:
    """The stop strings of a request. For an agent's turn, the label of the next observation is added."""
    return [*generation.stop, *(STOP_STRINGS if generation.act else ())]


def require_exact_ids(generation: Generation, exact: bool, server: str) -> None:
    """Raise InvalidInputError for a turn in a chat template if the server takes only text. Its tokenizer might then
    read the template's special tokens as other tokens, and training would use other ids than the model generated.
    """
    if generation.chat and not exact:
        raise InvalidInputError(
            f"prompt: chat needs token ids in requests and replies, but {server} is called with text only.",
            hint="Use `prompt: plain`, or vLLM with A3T_POLICY_UPSTREAM_TOKEN_IDS=true.",
        )
