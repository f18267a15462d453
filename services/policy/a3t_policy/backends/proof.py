"""Checks that an upstream server answers with the named adapter and not with the base, as TGI does for unknown names.

A server that refuses an unknown adapter name passes. A server that answers an unknown name does so with the base. It
passes only if the log-probabilities of the version differ from those of the base by more than those of two identical
requests.
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
"""Nats per token. Two identical requests to one server differ by less than this, on most servers by 0."""

log = get_logger(__name__)


def probe(codec: TextCodec) -> Generation:
    """The test request: the greedy beginning of an episode."""
    observation = "You are in the middle of a room. You see a cabinet 1 and a fridge 1. Your task is to: find a mug."
    ids, text = codec.history(History(environment="probe", observation=observation))
    return Generation(ids, text, Sampling(max_tokens=_TOKENS), top_logprobs=1)


async def prove_adapter(ask: Ask, version: str, where: str) -> None:
    """Send `probe` to a server under several names.

    Args:
        ask: sends the test request under an adapter name, and returns the completion.
        version: name of the adapter version.
        where: the server's address, for the error.

    Raises InvalidInputError if the adapter changes nothing, and any error of `ask` for the version's name.
    """
    first = await ask(version)
    nobody = f"nobody-{uuid4().hex[:12]}"
    try:
        base = await ask(nobody)
    except A3TError as error:
        if error.status >= 500 or isinstance(error, OverloadedError):
            raise
        return  # the server refuses unknown names
    versions, bases = [first, await ask(version)], [base, await ask(nobody)]
    noise = max(_distance(*versions), _distance(*bases))
    effect = min(_distance(mine, other) for mine in versions for other in bases)
    log.info("adapter.probed", version=version, server=where, effect=effect, noise=noise)
    if effect <= _LEAST + 2 * noise:
        raise InvalidInputError(
            f"{where} does not serve the adapter {version!r}: it answers this name like the name of no adapter "
            f"(log-probabilities differ by at most {effect:.2g} nats per token).",
        )


def _distance(left: Generated, right: Generated) -> float:
    """Largest difference of log-probabilities up to the first different token. Without log-probabilities it is 0 for
    equal texts, else 1.
    """
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
