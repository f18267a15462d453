"""Computes LoRA of a small model as one product per layer: x (W + s·B·A)ᵀ in place of x Wᵀ + s·(x Aᵀ) Bᵀ.

Both forms are the same function, with the same gradients of A and B. The sum W + s·B·A is cheap if a forward pass has
many more tokens than the model's width, and each layer then reads its activations once instead of four times. The
backward pass computes the gradient of the whole matrix, which pays unless the rank is small compared with the width.

The product and its two gradients may be computed in bfloat16 with sums in float32, which some processors do two to
three times as fast as in float32.
"""

from __future__ import annotations

from types import MethodType
from typing import Any, Literal

import torch
from peft import PeftModel
from peft.tuners.lora import Linear
from torch import Tensor, nn
from torch.nn.functional import linear

from a3t_contracts.schemas import LoraSettings

__all__ = ["merge_products", "multiplies_halves", "pays"]

_ADAPTER = "default"


def pays(rank: int, rows: int, columns: int) -> bool:
    """Whether one product with a rows × columns matrix is cheaper than LoRA's three products, forward and backward.

    LoRA's own products take 3·r·(n + m) multiplications per token, the gradient of the whole matrix n·m. A fourth
    r·(n + m) accounts for the activations that are not read and written again.
    """
    return 4 * rank * (rows + columns) >= rows * columns


def merge_products(model: PeftModel, lora: LoraSettings, precision: Literal["highest", "medium"] = "highest") -> None:
    """Let layers compute one product if that is cheaper; with `medium`, in bfloat16 if the processor can.

    Layers with dropout, DoRA, quantised or half-precision weights, and all layers on a GPU, are left unchanged.
    """
    if torch.cuda.is_available():  # the Trainer moves the model there
        return
    if lora.dropout or lora.use_dora or lora.quantisation != "none" or lora.dtype != "float32":
        return
    forward = _half_forward if precision == "medium" and multiplies_halves() else _forward
    for module in model.modules():
        if (
            isinstance(module, Linear)
            and type(module.base_layer) is nn.Linear
            and pays(lora.rank, *module.base_layer.weight.shape)
        ):
            module.forward = MethodType(forward, module)


def multiplies_halves() -> bool:
    """Whether the CPU has instructions that multiply bfloat16 matrices: AVX512_BF16, AMX, or those of Arm.

    oneDNN also offers such products on AVX-512 without them, where it converts to float32 and gains nothing.
    """
    onednn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not onednn or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    return not torch.cpu._is_avx512_supported() or torch.cpu._is_avx512_bf16_supported()


def _forward(self: Any, x: Tensor, *_: Any, **__: Any) -> Tensor:
    return linear(x, _merged(self), self.base_layer.bias)


def _half_forward(self: Any, x: Tensor, *_: Any, **__: Any) -> Tensor:
    product: Tensor = _HalfProduct.apply(x, _merged(self))  # type: ignore[no-untyped-call]
    return product if self.base_layer.bias is None else product + self.base_layer.bias


def _merged(layer: Any) -> Tensor:
    a, b = layer.lora_A[_ADAPTER].weight, layer.lora_B[_ADAPTER].weight
    return torch.addmm(layer.base_layer.weight, b, a, alpha=layer.scaling[_ADAPTER])


class _HalfProduct(torch.autograd.Function):
    """x Wᵀ and its gradients as products of bfloat16 matrices; all arguments and results are float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        """x: [..., columns]; weight: [rows, columns]. Returns [..., rows]."""
        half, half_weight = x.flatten(0, -2).bfloat16(), weight.bfloat16()
        ctx.save_for_backward(half, half_weight)
        ctx.shape = x.shape
        return (half @ half_weight.t()).float().view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of x and of the weight, from that of the product."""
        half, half_weight = ctx.saved_tensors
        given = gradient.flatten(0, -2).bfloat16()
        return (given @ half_weight).float().view(ctx.shape), (given.t() @ half).float()
