"""Requests to and results of a backend, the same for every backend and API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from a3t_contracts.schemas.policy import LiveState, ModelCard, Sampling

from .text import TextCodec

__all__ = ["Backend", "Delta", "Generated", "Generation", "Generator", "TokenInfo"]


@dataclass(frozen=True, slots=True)
class Generation:
    """One sequence to generate.

    `prompt_ids` are exact; `prompt_text` is what they stand for, for upstreams that take text alone.
    `model` is None for the version that is live. `act`: the agent's turn is wanted, and what stands behind its end may
    be left ungenerated; `a3t_policy.turn.cut_turn` cuts what was generated to it.
    """

    prompt_ids: list[int]
    prompt_text: str
    sampling: Sampling
    model: str | None = None
    stop: tuple[str, ...] = ()
    act: bool = False
    ignore_eos: bool = False
    top_logprobs: int = 0


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A generated token: id, the text that it brought, natural log-probability under the model (temperature 1, nothing
    cut off), the most likely tokens in its place.

    The texts of a completion's tokens, joined, begin with the completion's text or are its beginning: the last token
    may reach beyond a stop string, and a token that ends in the middle of a character brings nothing yet.
    """

    id: int
    text: str
    logprob: float
    top: tuple[tuple[int, float], ...] = ()
    special: bool = False
    top_names: tuple[tuple[str, float], ...] = ()
    """In place of `top` where an upstream names the most likely tokens by text, in any order, maybe with this one."""


@dataclass(slots=True)
class Delta:
    """News of a running generation: text that is certain by now, and the tokens behind it."""

    text: str
    model: str
    tokens: list[TokenInfo] = field(default_factory=list)


@dataclass(slots=True)
class Generated:
    """A finished generation. `ids` and `logprobs` are None where an upstream gives none."""

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
    """What ended it with reason `stop`: a stop string, "eos", or "turn" for the end of the agent's turn."""
    made_up_observation: bool = False
    """The turn was cut in front of an observation that the model began (`cut_turn`)."""


class Generator(Protocol):
    """Generates completions. Errors are those of `a3t_contracts.errors`."""

    def admit(self, count: int) -> None:
        """Raises OverloadedError where `count` more sequences do not fit now."""

    async def generate(self, generation: Generation) -> Generated:
        """The finished completion. Cancelling the call cancels the generation."""

    def stream(self, generation: Generation) -> AsyncIterator[Delta | Generated]:
        """Deltas, then the finished completion."""


class Backend(Generator, Protocol):
    """A source of completions with adapter versions. Errors are those of `a3t_contracts.errors`."""

    codec: TextCodec

    async def start(self) -> None:
        """Load or connect, then restore the adapter versions."""

    async def close(self) -> None:
        """Close connections and stop the engine."""

    async def load(self, name: str, path: str | None, make_default: bool) -> ModelCard:
        """Verify, load and read back an adapter version; with `make_default` the pointer is moved to it."""

    async def unload(self, name: str) -> None:
        """Stop serving a version; running requests finish on it."""

    async def follow(self) -> LiveState:
        """Look at the registry's pointer now and serve what it names."""

    def live_state(self) -> LiveState:
        """The version that answers requests without a version, and the one that the registry's pointer names."""

    def models(self) -> list[ModelCard]:
        """The base and every version that is held now."""

    async def ready(self) -> dict[str, object]:
        """State for `/ready`; raises UnavailableError while it cannot take work."""
