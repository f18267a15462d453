"""Proves that an upstream server answers with the named adapter and not silently with the base, as TGI may.

A server that refuses a name that nobody has is believed. One that answers it has answered with the base: there the
version must give other log-probabilities than that answer, by more than two askings of the same differ.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

from a3t_contracts.errors import A3TError, InvalidInputError, OverloadedError
from a3t_contracts.logging import get_logger
from a3t_contracts.react import History
from a3t_contracts.schemas.policy import Sampling

from ..generation import Generated, Generation
from ..text import TextCodec

__all__ = ["probe", "prove_adapter"]

Ask = Callable[[str], Awaitable[Generated]]

_TOKENS = 16
_LEAST = 1e-4
"""Nats a token. Two askings of one server differ by less where nothing differs, and by 0 on most."""

log = get_logger(__name__)


def probe(codec: TextCodec) -> Generation:
    """The request that tests a server: the greedy beginning of an episode."""
    observation = "You are in the middle of a room. You see a cabinet 1 and a fridge 1. Your task is to: find a mug."
    ids, text = codec.history(History(environment="probe", observation=observation))
    return Generation(ids, text, Sampling(max_tokens=_TOKENS), top_logprobs=1)


async def prove_adapter(ask: Ask, version: str, where: str) -> None:
    """Ask a server for `probe` under several names. Raises InvalidInputError where the adapter changes nothing, and
    what `ask` raises for the version's own name.

    Args:
        ask: the probe's completion under an adapter name.
        where: the server's address, for the error.
    """
    first = await ask(version)
    nobody = f"nobody-{uuid4().hex[:12]}"
    try:
        base = await ask(nobody)
    except A3TError as error:
        if error.status >= 500 or isinstance(error, OverloadedError):
            raise
        return  # it tells names apart
    versions, bases = [first, await ask(version)], [base, await ask(nobody)]
    noise = max(_distance(*versions), _distance(*bases))
    effect = min(_distance(mine, other) for mine in versions for other in bases)
    log.info("adapter.probed", version=version, server=where, effect=effect, noise=noise)
    if effect <= _LEAST + 2 * noise:
        raise InvalidInputError(
            f"{where} answers {version!r} as it answers a name that no adapter has (log-probabilities differ by at "
            f"most {effect:.2g} nats a token): it does not serve that adapter.",
        )


def _distance(left: Generated, right: Generated) -> float:
    """The largest difference of log-probabilities up to the first token that differs; of texts alone: 0 or 1."""
    rows = _row(left), _row(right)
    if not rows[0] or not rows[1]:
        return float(left.text != right.text)
    largest = 0.0
    for (token, logprob), (other, other_logprob) in zip(*rows, strict=False):
        largest = max(largest, abs(logprob - other_logprob))
        if token != other:
            break
    return largest


def _row(done: Generated) -> Sequence[tuple[int, float]]:
    if done.tokens:
        return [(token.id, token.logprob) for token in done.tokens]
    return list(zip(done.ids or (), done.logprobs or (), strict=False))
