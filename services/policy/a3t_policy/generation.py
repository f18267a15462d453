"""Requests to a backend and its results, the same for every backend and API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from a3t_contracts.schemas.origin import Origin
from a3t_contracts.schemas.policy import LiveState, ModelCard, Sampling

from .text import TextCodec

__all__ = ["Backend", "Delta", "Generated", "Generation", "Generator", "TokenInfo"]


@dataclass(frozen=True, slots=True)
class Generation:
    """One sequence to generate.

    Args:
        prompt_ids: exact token ids of the prompt.
        prompt_text: text of the prompt, for upstream servers that only take text.
        model: adapter version or base; None: the live version.
        stop: strings that end the completion.
        act: whether the completion is an agent's turn. Generation may then stop after the turn's end;
            `a3t_policy.turn.cut_turn` cuts the completion to the turn.
        chat: whether a chat template wrote the prompt. The prompt then has special tokens, so only its ids represent it
            exactly, and the turn may end with the template's end token.
        ignore_eos: whether generation goes on after the end-of-text token.
        top_logprobs: number of most likely tokens to report for each generated token.
        origin: episode to which the sequence belongs, for traces.
    """

    prompt_ids: list[int]
    prompt_text: str
    sampling: Sampling
    model: str | None = None
    stop: tuple[str, ...] = ()
    act: bool = False
    chat: bool = False
    ignore_eos: bool = False
    top_logprobs: int = 0
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A generated token: its id, the text that it added, its natural log-probability under the model (at temperature 1
    without top-k or top-p), and the most likely tokens at its position.

    The texts of all tokens, joined, may go beyond a stop string that ends the completion's text. A token that ends
    within a character adds no text yet.
    """

    id: int
    text: str
    logprob: float
    top: tuple[tuple[int, float], ...] = ()
    special: bool = False
    top_names: tuple[tuple[str, float], ...] = ()
    """The most likely tokens by text, for upstream servers that do not return ids; used in place of `top`, in any
    order."""


@dataclass(slots=True)
class Delta:
    """New text and tokens of a running generation. The text is final."""

    text: str
    model: str
    tokens: list[TokenInfo] = field(default_factory=list)


@dataclass(slots=True)
class Generated:
    """A finished generation. `ids` and `logprobs` are None if an upstream server does not return them."""

    text: str
    finish_reason: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    ids: list[int] | None = None
    logprobs: list[float] | None = None
    tokens: list[TokenInfo] | None = None
    cached_tokens: int = 0
    stop_sequence: str | None = None
    """What ended a completion with finish reason `stop`: a stop string, "eos", or "turn" for the end of the agent's
    turn."""
    made_up_observation: bool = False
    """Whether the turn was cut before an observation that the model invented (`cut_turn`)."""


class Generator(Protocol):
    """Generates completions. Errors are those of `a3t_contracts.errors`."""

    def admit(self, count: int) -> None:
        """Raise OverloadedError if there is no room for `count` more sequences now."""

    async def generate(self, generation: Generation) -> Generated:
        """Generate a completion. Cancelling the call cancels the generation."""

    def stream(self, generation: Generation) -> AsyncIterator[Delta | Generated]:
        """Generate a completion: deltas, then the finished completion."""


class Backend(Generator, Protocol):
    """Generates completions with the base or an adapter version. Errors are those of `a3t_contracts.errors`."""

    codec: TextCodec

    async def start(self) -> None:
        """Load the base or connect to the upstream servers, then restore the adapter versions."""

    async def close(self) -> None:
        """Close connections and stop the engine."""

    async def load(self, name: str, path: str | None, make_default: bool) -> ModelCard:
        """Verify, load and read back an adapter version; with `make_default` also make it live."""

    async def unload(self, name: str) -> None:
        """Stop serving a version; requests that run on it are finished first."""

    async def follow(self) -> LiveState:
        """Read the registry's pointer now and serve the version that it names."""

    def live_state(self) -> LiveState:
        """The version that serves requests without a model, and the version that the registry's pointer names."""

    def models(self) -> list[ModelCard]:
        """The base and every loaded version."""

    async def ready(self) -> dict[str, object]:
        """Facts for `GET /ready`. Raises UnavailableError while the backend cannot take work."""
