"""Token sampling: greedy, or by inverse transform with random numbers that only depend on the sequence's seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from a3t_contracts.schemas.policy import Sampling

__all__ = ["Chosen", "TokenRandom", "choose"]


class TokenRandom:
    """The random numbers of one sequence. Number i depends only on the seed and i, not on other sequences in the
    batch.
    """

    def __init__(self, seed: int | None) -> None:
        self._random = random.Random(seed) if seed is not None else random.SystemRandom()
        self._number: float | None = None

    def number(self) -> float:
        """The current number in [0, 1). It stays the same until `advance`, so that a choice can be repeated."""
        if self._number is None:
            self._number = self._random.random()
        return self._number

    def advance(self) -> None:
        """Move on to the next number."""
        self._number = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """Chosen tokens of B sequences: ids, log-probabilities, and the `top` most likely (ids, log-probabilities)."""

    ids: list[int]
    logprobs: list[float]
    top: tuple[list[list[int]], list[list[float]]] | None


def choose(logits: Tensor, samplings: Sequence[Sampling], randoms: Sequence[TokenRandom], top: int = 0) -> Chosen:
    """Choose one token for each row of float32 logits (B, V)."""
    logprobs = torch.log_softmax(logits, dim=-1)
    ids = logits.argmax(dim=-1)
    warm = [n for n, sampling in enumerate(samplings) if sampling.temperature > 0]
    cut = [n for n in warm if samplings[n].top_p < 1 or samplings[n].top_k]
    plain = [n for n in warm if samplings[n].top_p >= 1 and not samplings[n].top_k]
    for draw, members in ((_draw, plain), (_draw_cut, cut)):  # each row's method depends only on its own settings
        if members:
            rows = torch.tensor(members, device=logits.device)
            numbers = [randoms[n].number() for n in members]
            ids[rows] = draw(logits[rows], [samplings[n] for n in members], numbers)
    picked = logprobs.gather(1, ids[:, None])[:, 0]
    best = None
    if top:
        values, indices = logprobs.topk(min(top, logits.shape[-1]), dim=-1)
        best = (indices.tolist(), values.tolist())
    return Chosen(ids.tolist(), picked.tolist(), best)


def _draw(logits: Tensor, samplings: Sequence[Sampling], numbers: Sequence[float]) -> Tensor:
    scaled = logits.double() / _column([s.temperature for s in samplings], logits)
    return _inverse(scaled.softmax(dim=-1), _column(numbers, logits))


def _draw_cut(logits: Tensor, samplings: Sequence[Sampling], numbers: Sequence[float]) -> Tensor:
    scaled = logits.double() / _column([s.temperature for s in samplings], logits)
    ordered, index = scaled.sort(dim=-1, descending=True, stable=True)
    ranks = torch.arange(logits.shape[-1], device=logits.device)[None]
    beyond = ranks >= _column([s.top_k or logits.shape[-1] for s in samplings], logits)
    probabilities = ordered.masked_fill(beyond, -torch.inf).softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    probabilities = probabilities.masked_fill(before >= _column([s.top_p for s in samplings], logits), 0.0)
    return index.gather(1, _inverse(probabilities, _column(numbers, logits))[:, None])[:, 0]


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, device=like.device, dtype=torch.float64)[:, None]


def _inverse(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """Index of the first cumulative probability above `uniform` (B, 1), which is scaled by the sum of the
    probabilities."""
    cumulative = probabilities.cumsum(dim=-1)
    index = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
    last = (probabilities > 0).cumsum(dim=-1).argmax(dim=-1)  # so that rounding never selects a token that was cut off
    return torch.minimum(index[:, 0], last)
