"""The protocol of LLM backends, and the error messages that they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from typing_extensions import override

from a3t_contracts.errors import A3TError, DeadlineError, UnavailableError, UpstreamError
from a3t_contracts.upstream.failures import Failures

__all__ = ["STOP", "Backend", "Completion", "LLMFailures", "cut_at_stop"]

STOP = ("\nObservation:", "\nAction:", "\nReason for the action:")
"""Stop strings: the labels with which the next part of the episode begins."""

_WORTH_ANOTHER_TRY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_HINTS = {
    401: "Check A3T_ACTRE_UPSTREAM_TOKEN.",
    403: "Check A3T_ACTRE_UPSTREAM_TOKEN.",
    404: "Check A3T_ACTRE_UPSTREAM_URL (for openai it must end in /v1) and A3T_ACTRE_MODEL.",
    413: "Lower A3T_ACTRE_MAX_PROMPT_CHARS.",
}


@dataclass(frozen=True, slots=True)
class Completion:
    """A completion of the LLM. `whole` is false if the token limit cut it; the token counts come from the server."""

    text: str
    whole: bool = True
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Backend(Protocol):
    """Completes a prompt. Errors are UpstreamError, UnavailableError and DeadlineError; their `extra["passing"]`
    says whether another attempt may succeed."""

    async def model(self, refresh: bool = False) -> str:
        """Name of the model. The server is asked once, and again with `refresh`."""

    async def complete(self, prompt: str, temperature: float, seed: int) -> Completion:
        """Complete a prompt. At temperature 0, decoding is greedy."""

    async def aclose(self) -> None:
        """Close the connections."""


def cut_at_stop(text: str) -> str:
    """The text before the first stop string, which some servers return as well."""
    ends = [at for at in (text.find(stop) for stop in STOP) if at >= 0]
    return text[: min(ends)] if ends else text


class LLMFailures(Failures):
    """See `a3t_contracts.upstream.failures`. `extra["passing"]` of each error says whether another attempt may
    succeed."""

    @override
    def no_answer(self, server: str, seconds: float) -> A3TError:
        return DeadlineError(f"The LLM server at {server} did not answer within {seconds:g} s.", passing=True)

    @override
    def out_of_reach(self, server: str, error: Exception) -> A3TError:
        return UnavailableError(
            f"The LLM server at {server} cannot be reached: {error!r}.",
            hint="Check A3T_ACTRE_UPSTREAM_URL.",
            passing=True,
        )

    @override
    def refusal(self, server: str, status: int, body: bytes, said: str) -> A3TError:
        text = " ".join(said.split())[:300] or "empty body"
        return UpstreamError(
            f"The LLM server at {server} answered {status}: {text}",
            hint=_HINTS.get(status),
            passing=status in _WORTH_ANOTHER_TRY,
        )

    @override
    def strange(self, server: str, api: str, reply: object) -> A3TError:
        said = repr(reply if isinstance(reply, Exception) else str(reply)[:200])
        return UpstreamError(
            f"The reply of the LLM server at {server} does not have the form of {api}'s API: {said}.",
            hint="Check A3T_ACTRE_UPSTREAM_URL and A3T_ACTRE_BACKEND.",
            passing=True,
        )
