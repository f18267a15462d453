"""Finds out how the agent of a policy service reads its history, for episodes without a recipe."""

from __future__ import annotations

from a3t_contracts.clients import PolicyClient
from a3t_contracts.schemas import PromptStyle

__all__ = ["prompt_style"]


async def prompt_style(policy: PolicyClient, model: str | None) -> PromptStyle:
    """Return the style of an adapter version, by name, or of the live one for None; `plain` for a name that is not
    served.

    Raises an A3TError if the service does not answer.
    """
    for card in await policy.models():
        if card.id == model or (model is None and card.live):
            return card.prompt
    return PromptStyle.plain
