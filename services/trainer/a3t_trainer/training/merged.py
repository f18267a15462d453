"""Computes LoRA of a small model as one product per layer: x (W + s·B·A)ᵀ in place of x Wᵀ + s·(x Aᵀ) Bᵀ.

Both forms are the same function, with the same gradients of A and B. The sum W + s·B·A is cheap if a forward pass has
many more tokens than the model's width, and each layer then reads its activations once instead of four times. The
backward pass computes the gradient of the whole matrix, which pays unless the rank is small compared with the width.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import Linear
from torch import Tensor, nn
from torch.nn.functional import linear

from a3t_contracts.schemas import LoraSettings

__all__ = ["merge_products", "pays"]

_ADAPTER = "default"


def pays(rank: int, rows: int, columns: int) -> bool:
    """Whether one product with a rows × columns matrix is cheaper than LoRA's three products, forward and backward.

    LoRA's own products take 3·r·(n + m) multiplications per token, the gradient of the whole matrix n·m. A fourth
    r·(n + m) accounts for the activations that are not read and written again.
    """
    return 4 * rank * (rows + columns) >= rows * columns


def merge_products(model: PeftModel, lora: LoraSettings) -> None:
    """Let layers compute one product if that is cheaper.

    Layers with dropout, DoRA, quantised or half-precision weights, and all layers on a GPU, are left unchanged.
    """
    if torch.cuda.is_available():  # the Trainer moves the model there
        return
    if lora.dropout or lora.use_dora or lora.quantisation != "none" or lora.dtype != "float32":
        return
    for module in model.modules():
        if (
            isinstance(module, Linear)
            and type(module.base_layer) is nn.Linear
            and pays(lora.rank, *module.base_layer.weight.shape)
        ):
            module.forward = MethodType(_forward, module)


def _forward(self: Any, x: Tensor, *_: Any, **__: Any) -> Tensor:
    a, b = self.lora_A[_ADAPTER].weight, self.lora_B[_ADAPTER].weight
    weight = torch.addmm(self.base_layer.weight, b, a, alpha=self.scaling[_ADAPTER])
    return linear(x, weight, self.base_layer.bias)
