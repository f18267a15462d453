"""The protocol of LLM backends, and the error messages that they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from a3t_contracts.errors import A3TError, DeadlineError, UnavailableError, UpstreamError

__all__ = ["STOP", "Backend", "Completion", "cut_at_stop", "no_answer", "out_of_reach", "refusal"]

STOP = ("\nObservation:", "\nAction:", "\nReason for the action:")
"""What would begin the next part of the episode."""

_WORTH_ANOTHER_TRY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


@dataclass(frozen=True, slots=True)
class Completion:
    """What an LLM wrote. `whole` is false where the token limit cut it; token counts are the server's own."""

    text: str
    whole: bool = True
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Backend(Protocol):
    """Completes a prompt. Errors are UpstreamError, UnavailableError and DeadlineError; their `extra["passing"]`
    says whether another attempt may succeed."""

    async def model(self, refresh: bool = False) -> str:
        """Name of the model that answers; asked for once, and again on `refresh`."""

    async def complete(self, prompt: str, temperature: float, seed: int) -> Completion:
        """One completion, greedy at temperature 0."""

    async def aclose(self) -> None:
        """Close the connections."""


def cut_at_stop(text: str) -> str:
    """The text before the first stop string; some servers return it, too."""
    ends = [at for at in (text.find(stop) for stop in STOP) if at >= 0]
    return text[: min(ends)] if ends else text


def no_answer(url: str, seconds: float) -> DeadlineError:
    """The server took too long."""
    return DeadlineError(f"The LLM server at {url} gave no answer within {seconds:g} s.", passing=True)


def out_of_reach(url: str, error: Exception) -> UnavailableError:
    """The server cannot be reached."""
    return UnavailableError(
        f"The LLM server at {url} cannot be reached: {error!r}.", hint="Check A3T_ACTRE_UPSTREAM_URL.", passing=True
    )


def refusal(url: str, status: int, body: str) -> A3TError:
    """The server answered with an error status."""
    hints = {
        401: "Check A3T_ACTRE_UPSTREAM_TOKEN.",
        403: "Check A3T_ACTRE_UPSTREAM_TOKEN.",
        404: "Check A3T_ACTRE_UPSTREAM_URL (for openai it ends in /v1) and A3T_ACTRE_MODEL.",
        413: "Lower A3T_ACTRE_MAX_PROMPT_CHARS.",
    }
    text = " ".join(body.split())[:300] or "empty body"
    return UpstreamError(
        f"The LLM server at {url} answered {status}: {text}",
        hint=hints.get(status),
        passing=status in _WORTH_ANOTHER_TRY,
    )
