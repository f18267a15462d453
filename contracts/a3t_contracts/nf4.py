"""Makes bitsandbytes' 4-bit layers compute in the requested number format, in training and in serving."""

from __future__ import annotations

from typing import Any

__all__ = ["keep_compute_dtype"]


def keep_compute_dtype(model: Any) -> Any:
    """Switch off bitsandbytes' packed kernel for processors with AVX512-BF16, and return the model.

    On such a CPU, in evaluation mode, `Linear4bit` computes in bfloat16 whatever `bnb_4bit_compute_dtype` says; in
    training mode it does not. The log-probabilities of trainer and policy would then differ by tenths of a nat.
    """
    for module in model.modules():
        if getattr(module, "support_avx512bf16_for_cpu", False):
            module.support_avx512bf16_for_cpu = False
    return model
