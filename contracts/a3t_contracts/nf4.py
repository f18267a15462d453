"""Keeps bitsandbytes' 4-bit products in the requested precision, in training and in serving alike."""

from __future__ import annotations

from typing import Any

__all__ = ["keep_compute_dtype"]


def keep_compute_dtype(model: Any) -> Any:
    """The model, with bitsandbytes kept from its packed kernel for processors with AVX512-BF16.

    In evaluation mode on such a CPU `Linear4bit` computes in bfloat16 whatever `bnb_4bit_compute_dtype` says, and in
    training mode it does not: log-probabilities then differ by tenths between trainer and policy.
    """
    for module in model.modules():
        if getattr(module, "support_avx512bf16_for_cpu", False):
            module.support_avx512bf16_for_cpu = False
    return model
