"""The objectives as losses over token log-probabilities (paper §4)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

__all__ = ["dpo_loss", "sequence_logprobs", "weighted_loss"]


def weighted_loss(logprobs: Tensor, coefficients: Tensor, failure: Tensor, failure_nll_cap: float | None) -> Tensor:
    """Compute the loss −Σ c_t log p_t, which is eq. (1) of the paper or a variant. The coefficients contain all
    factors.

    Args:
        logprobs: log p of each trained token, [n].
        coefficients: R(τ) · w_t divided by the step's denominator, [n]; the step's loss is the sum of the losses of its
            passes.
        failure: whether each token belongs to a failed trajectory, [n].
        failure_nll_cap: limit in nats; tokens of failures with a larger negative log-likelihood add neither loss nor
            gradient. None: no limit.
    """
    if failure_nll_cap is not None:
        spent = failure & (-logprobs.detach() > failure_nll_cap)
        coefficients = coefficients.masked_fill(spent, 0.0)
    return -(coefficients * logprobs).sum()


def sequence_logprobs(logprobs: Tensor, weights: Tensor, sequence: Tensor, count: int) -> Tensor:
    """Σ_t w_t log p_t of each of `count` sequences, [count]."""
    return torch.zeros(count, dtype=logprobs.dtype, device=logprobs.device).index_add(0, sequence, weights * logprobs)


def dpo_loss(policy: Tensor, reference: Tensor, beta: float) -> Tensor:
    """Σ over pairs of −log σ(β[(log π − log π_ref)(success) − (log π − log π_ref)(failure)]), Rafailov et al. 2023.

    Args:
        policy, reference: log-probabilities of sequences, [2 · pairs]: a success, then its failure.
        beta: coefficient β.
    """
    margin = policy - reference
    return -logsigmoid(beta * (margin[0::2] - margin[1::2])).sum()
