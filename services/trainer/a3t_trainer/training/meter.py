"""Measures loss by part and training speed without waiting for the device at each step."""

from __future__ import annotations

import resource
import sys
import time

import torch
from torch import Tensor

from a3t_contracts.schemas import Progress

from ..encoding.sequences import Part

__all__ = ["Meter", "peak_memory_bytes"]

_NAMES = ("success", "failure", "observation", "thought", "action")


class Meter:
    """Sums of negative log-likelihood (nats) and token counts since the last reading, for successes, failures,
    observations, thoughts and actions."""

    def __init__(self, total_steps: int, steps_per_epoch: int, first_step: int = 0) -> None:
        self.total_steps, self.steps_per_epoch = total_steps, steps_per_epoch
        self.started, self.first_step = time.perf_counter(), first_step
        self.tokens = 0
        self._sums = torch.zeros(len(_NAMES), dtype=torch.float64)
        self._counts = torch.zeros(len(_NAMES), dtype=torch.float64)
        self._loss: Tensor | float = 0.0
        self._steps = 0

    @torch.no_grad()
    def add(self, logprobs: Tensor, parts: Tensor, failure: Tensor, tokens: int) -> None:
        """Count one forward pass of `tokens` tokens without padding."""
        nll = -logprobs.detach().double()
        groups = [~failure, failure, *(parts == p for p in (Part.observation, Part.thought, Part.action))]
        masks = torch.stack(groups).to(nll.dtype)
        self._sums = self._sums.to(nll.device) + masks @ nll
        self._counts = self._counts.to(nll.device) + masks.sum(1)
        self.tokens += tokens

    def step(self, loss: Tensor) -> None:
        """Count one optimiser step with its loss."""
        self._loss = self._loss + loss.detach()
        self._steps += 1

    def read(self, step: int) -> Progress:
        """The progress after `step` optimiser steps; means are taken over the steps since the last reading."""
        elapsed = max(time.perf_counter() - self.started, 1e-9)
        done = step - self.first_step
        means = (self._sums / self._counts).tolist()
        progress = Progress(
            step=step,
            total_steps=self.total_steps,
            epoch=round(step / self.steps_per_epoch, 4),
            loss=float(self._loss) / self._steps if self._steps else None,
            loss_parts={n: m for n, m, c in zip(_NAMES, means, self._counts.tolist(), strict=True) if c},
            tokens_per_second=round(self.tokens / elapsed, 1),
            peak_memory_bytes=peak_memory_bytes(),
            eta_seconds=round(elapsed / done * (self.total_steps - step), 1) if done else None,
        )
        self._sums.zero_()
        self._counts.zero_()
        self._loss, self._steps = 0.0, 0
        return progress


def peak_memory_bytes() -> int:
    """Peak in bytes of the GPU's allocated memory, or, without a GPU, of this process's resident memory."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
