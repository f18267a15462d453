"""An optimiser: Muon for matrices, AdamW for the other parameters.

`torch.optim.Muon` orthogonalises one matrix after the other in bfloat16, which takes longer on a CPU than the model's
forward and backward pass. Here all matrices of a shape are orthogonalised together in float32. Jordan et al., "Muon: An
optimizer for hidden layers in neural networks", 2024; step size matched to AdamW's RMS (0.2 √max(n, m)).
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import torch

__all__ = ["MuonAdamW"]

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_MOMENTUM = 0.95


class MuonAdamW:
    """Optimises a model's parameters; `tensors` and `load_tensors` make it resumable.

    Args:
        model: the model, whose matrices except the embedding are optimised by Muon.
        embedding_rate: learning rate of the other parameters, as a fraction of the matrices' rate.
    """

    def __init__(self, model: torch.nn.Module, embedding_rate: float = 0.25) -> None:
        matrices: list[torch.nn.Parameter] = []
        rest: list[torch.nn.Parameter] = []
        for name, parameter in model.named_parameters():
            (matrices if parameter.ndim == 2 and "embed" not in name else rest).append(parameter)
        self._groups: dict[tuple[int, int], list[torch.nn.Parameter]] = defaultdict(list)
        for parameter in matrices:
            self._groups[_shape(parameter)].append(parameter)
        self._momenta = {shape: torch.zeros(len(group), *shape) for shape, group in self._groups.items()}
        self._adamw = torch.optim.AdamW(rest, lr=1e-3, betas=(0.9, 0.95), weight_decay=0.0)
        self._embedding_rate = embedding_rate
        self._parameters = [*matrices, *rest]

    def step(self, rate: float) -> None:
        """One step with gradients clipped to norm 1; clears the gradients."""
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        for shape, group in self._groups.items():
            self._step_group(shape, group, rate)
        for settings in self._adamw.param_groups:
            settings["lr"] = rate * self._embedding_rate
        self._adamw.step()
        for parameter in self._parameters:
            parameter.grad = None

    def tensors(self) -> dict[str, torch.Tensor]:
        """The state as named tensors, for a checkpoint."""
        named = {f"muon.{low}x{high}": momentum for (low, high), momentum in self._momenta.items()}
        for index, state in self._adamw.state_dict()["state"].items():
            named |= {f"adamw.{index}.{key}": value for key, value in state.items()}
        return named

    def load_tensors(self, tensors: dict[str, torch.Tensor]) -> None:
        """Restore the state that `tensors` returned. Other names are ignored."""
        for low, high in self._momenta:
            self._momenta[low, high] = tensors[f"muon.{low}x{high}"].clone()
        whole = self._adamw.state_dict()
        states: dict[int, dict[str, Any]] = defaultdict(dict)
        for name, value in tensors.items():
            if name.startswith("adamw."):
                _, index, key = name.split(".")
                states[int(index)][key] = value.clone()
        self._adamw.load_state_dict({**whole, "state": dict(states)})

    @torch.no_grad()
    def _step_group(self, shape: tuple[int, int], group: list[torch.nn.Parameter], rate: float) -> None:
        gradients = torch.stack([_wide(p.grad) for p in group if p.grad is not None])
        momentum = self._momenta[shape].lerp_(gradients, 1 - _MOMENTUM)
        updates = _orthogonal(gradients.lerp(momentum, _MOMENTUM))
        scale = rate * 0.2 * math.sqrt(max(shape))
        for parameter, update in zip(group, updates, strict=True):
            parameter.add_(update if parameter.shape == update.shape else update.t(), alpha=-scale)


def _shape(parameter: torch.Tensor) -> tuple[int, int]:
    low, high = sorted(parameter.shape)
    return low, high


def _wide(matrix: torch.Tensor) -> torch.Tensor:
    return matrix if matrix.shape[0] <= matrix.shape[1] else matrix.t()


def _orthogonal(batch: torch.Tensor) -> torch.Tensor:
    """Newton-Schulz iteration: the nearest semi-orthogonal matrices, roughly. Shape (n, rows, columns)."""
    a, b, c = _COEFFICIENTS
    x: torch.Tensor = batch / (batch.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x
