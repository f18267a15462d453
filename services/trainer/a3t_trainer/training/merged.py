"""LoRA of a small model as one product per layer: x (W + s·B·A)ᵀ in place of x Wᵀ + s·(x Aᵀ) Bᵀ.

Both are the same function with the same gradients of A and B. The sum W + s·B·A costs next to nothing where a pass has
many more tokens than the model is wide, and every layer then makes one pass over its activations instead of four. Its
gradient is that of a whole matrix, which pays where the rank is not small beside the width.
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
    """Whether one product of a rows × columns matrix is cheaper than LoRA's three, forward and backward.

    LoRA's own products take 3·r·(n + m) multiplications a token, the gradient of the whole matrix n·m; a quarter of the
    rest is for the activations that are not read and written again.
    """
    return 4 * rank * (rows + columns) >= rows * columns


def merge_products(model: PeftModel, lora: LoraSettings) -> None:
    """Let layers on which it pays compute one product. Layers with dropout, DoRA, quantised or half precision weights
    stay as peft made them, and so does everything on a GPU."""
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
