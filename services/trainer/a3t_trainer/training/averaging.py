"""Averages checkpoints over the course of training (paper §5), and interpolates between base and adapter.

The adapter's tensors (LoRA A and B, DoRA magnitudes) are averaged one by one, as is usual for checkpoints. The product
of the mean A and the mean B is not the mean of the updates B·A, whose rank is in general higher than that of one
adapter. `averaging_gap` measures the difference.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

__all__ = ["average", "averaging_gap", "scale_update", "snapshot_path", "snapshot_steps"]


def snapshot_steps(total_steps: int, count: int) -> list[int]:
    """The optimiser steps after which a snapshot is saved: `count` steps, evenly spaced, the last step included."""
    return sorted({-(-total_steps * i // count) for i in range(1, count + 1)}) if count else []


def snapshot_path(folder: Path, step: int) -> Path:
    """Path of the adapter weights that are kept for averaging after optimiser step `step`."""
    return folder / f"snapshot-{step:07d}.safetensors"


def average(paths: list[Path]) -> dict[str, Tensor]:
    """The mean of each tensor over the snapshots, summed in float64."""
    total: dict[str, Tensor] = {}
    for path in paths:
        for name, value in load_file(path).items():
            total[name] = total[name] + value.double() if name in total else value.double()
    return {name: (value / len(paths)).float() for name, value in total.items()}


def averaging_gap(paths: list[Path]) -> float:
    """‖mean(B·A) − mean(B)·mean(A)‖ / ‖mean(B·A)‖ (Frobenius, over all adapted layers)."""
    mean, snapshots = average(paths), [load_file(path) for path in paths]
    gap = size = 0.0
    for name in mean:
        if ".lora_A." not in name:
            continue
        partner = name.replace(".lora_A.", ".lora_B.")
        product = torch.stack([s[partner].double() @ s[name].double() for s in snapshots]).mean(0)
        gap += float((product - mean[partner].double() @ mean[name].double()).square().sum())
        size += float(product.square().sum())
    return (gap / size) ** 0.5 if size else 0.0


@torch.no_grad()
def scale_update(model: nn.Module, share: float) -> None:
    """Multiply the update B·A of every adapted layer by `share` (0 to 1). The result is base + share · (tuned −
    base), the interpolation in weight space of "Robust fine-tuning of zero-shot models" (arXiv 2109.01903).
    """
    for name, parameter in model.named_parameters():
        if ".lora_B." in name or ".lora_embedding_B." in name:
            parameter.mul_(share)
