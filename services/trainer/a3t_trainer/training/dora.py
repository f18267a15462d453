"""DoRA on weights with rows of zeros.

DoRA (arXiv 2402.09353) writes a row of a weight as magnitude times direction. A row of zeros has no direction: peft
divides 0 by 0, in training and wherever the adapter is served. Such a row is given a direction here through B, which
its magnitude of 0 multiplies away: the model is exactly the base's at the start, training can make the magnitude grow,
and whoever loads the adapter computes what was trained, without a rule of ours.
"""

from __future__ import annotations

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer

__all__ = ["give_directions"]


@torch.no_grad()
def give_directions(model: PeftModel, adapter: str = "default") -> int:
    """Give every row whose norm is 0 a random direction within reach of the adapter; how many there were.

    Call it on a fresh adapter (B = 0), under the job's seed.
    """
    rows = 0
    for module in model.modules():
        if not isinstance(module, LoraLayer) or adapter not in module.lora_magnitude_vector:
            continue
        without = module.lora_magnitude_vector[adapter].weight.flatten() == 0
        count = int(without.sum())
        if count:
            b = module.lora_B[adapter].weight
            b[without] = torch.randn(count, b.shape[1], dtype=torch.float32).to(b)
            rows += count
    return rows
