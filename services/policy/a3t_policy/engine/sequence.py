"""A sequence in the engine: the request, its progress, and the queue to the client."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from a3t_contracts.errors import A3TError

from ..generation import Delta, Generated, Generation, TokenInfo
from ..metrics import Usage
from ..text import TextCodec
from .sampling import Chosen, TokenRandom
from .stopping import TextTail

__all__ = ["News", "Sequence", "Ticket"]

News = Delta | Generated | A3TError


@dataclass(eq=False, slots=True)
class Ticket:
    """The event loop's side of a sequence. The engine fills `news`; the last item is a Generated or an error."""

    loop: asyncio.AbstractEventLoop
    streaming: bool
    news: asyncio.Queue[News] = field(default_factory=asyncio.Queue)
    cancelled: bool = False


@dataclass(eq=False, slots=True)
class Sequence:
    """State of one sequence. After it is submitted only the engine's thread uses it."""

    generation: Generation
    version: int
    version_name: str
    ticket: Ticket
    tail: TextTail
    random: TokenRandom
    stop_ids: frozenset[int]
    submitted: float = field(default_factory=time.monotonic)
    slot: int = -1
    done: int = 0
    """Number of tokens whose keys and values are in the slot."""
    cached: int = 0
    ids: list[int] = field(default_factory=list)
    infos: list[TokenInfo] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: str | None = None

    def pending(self, limit: int) -> list[int]:
        """The next tokens to compute, at most `limit`."""
        prompt = self.generation.prompt_ids
        if self.done < len(prompt):
            return prompt[self.done : self.done + limit]
        return self.ids[self.done - len(prompt) :][:limit]

    @property
    def prefilling(self) -> bool:
        """Whether more than the newest token must still be computed."""
        return self.done < len(self.generation.prompt_ids)

    def take(self, token: int, logprob: float, top: tuple[tuple[int, float], ...], room: int, codec: TextCodec) -> None:
        """Append a chosen token and decide whether the sequence has ended. `room`: number of tokens that still fit in
        the slot."""
        self.random.advance()
        if token in self.stop_ids and not self.generation.ignore_eos:
            self.tail.stopped_by, self.finish_reason = "eos", "stop"
            return
        self.ids.append(token)
        self.logprobs.append(logprob)
        piece = self.tail.push(token)
        if self.ticket.streaming or self.generation.top_logprobs:
            special = token in codec.special_ids
            self.infos.append(TokenInfo(token, piece, logprob, top, special))
        if self.tail.stopped_by is not None:
            self.finish_reason = "stop"
        elif len(self.ids) >= self.generation.sampling.max_tokens or room <= 1:
            self.finish_reason = "length"

    def usage(self) -> Usage:
        """The tokens and seconds that the finished sequence took."""
        prompt = min(self.done, len(self.generation.prompt_ids))
        return Usage(
            model=self.version_name,
            finish_reason=self.finish_reason or "cancelled",
            prompt=max(0, prompt - self.cached),
            cached=self.cached,
            completion=len(self.ids),
            seconds=time.monotonic() - self.submitted,
        )

    def result(self, codec: TextCodec) -> Generated:
        """The finished generation."""
        self.tail.finish(codec.decode(self.ids))
        return Generated(
            text=self.tail.text,
            finish_reason=self.finish_reason or "length",
            model=self.version_name,
            prompt_tokens=len(self.generation.prompt_ids),
            completion_tokens=len(self.ids),
            ids=self.ids,
            logprobs=self.logprobs,
            tokens=self.infos or None,
            cached_tokens=self.cached,
            stop_sequence=self.tail.stopped_by,
        )


def token_row(chosen: Chosen, row: int) -> tuple[int, float, tuple[tuple[int, float], ...]]:
    """Token, log-probability and most likely tokens of one row."""
    top = () if chosen.top is None else tuple(zip(chosen.top[0][row], chosen.top[1][row], strict=True))
    return chosen.ids[row], chosen.logprobs[row], top
