"""DoRA on weights with rows of zeros.

DoRA (arXiv 2402.09353) writes each row of a weight as magnitude times direction. A row of zeros has no direction, and
peft divides 0 by 0, both in training and when the adapter is served. Here such a row gets a direction through B, which
has no effect while the row's magnitude is 0. At the start the model equals the base, training can increase the
magnitude, and every program that loads the adapter computes the same result.
"""

from __future__ import annotations

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer

__all__ = ["give_directions"]


@torch.no_grad()
def give_directions(model: PeftModel, adapter: str = "default") -> int:
    """Give every row with norm 0 a random direction that the adapter can express; returns the number of such rows. Call
    it on a new adapter (B = 0) after setting the job's seed."""
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
