"""Attention for packed rows: each sequence attends only to itself, without a T × T mask.

Registered with transformers as `a3t_varlen`. On a GPU in half precision it calls torch's variable-length flash kernel;
elsewhere it calls causal scaled-dot-product attention once per sequence of the row.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from inspect import signature
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

__all__ = ["VARLEN", "attention_for", "flash"]

VARLEN = "a3t_varlen"
_FOREIGN = ("softcap", "s_aux", "position_bias")


def attention_for(config: Any, *, packing: bool, max_length: int) -> str:
    """The attention implementation to load a model with.

    A model whose sliding window is shorter than the longest sequence keeps the implementation of transformers, which
    handles windows and packed rows with a block-diagonal mask.
    """
    window = getattr(config, "sliding_window", None)
    if not packing or (window is not None and window < max_length):
        return "sdpa"
    return VARLEN


def varlen_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    cu_seq_lens_q: Tensor | None = None,
    max_length_q: int | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention of one packed row.

    Args:
        query, key, value: [1, heads, T, head size]; keys and values may have fewer heads.
        cu_seq_lens_q: int32 [sequences + 1]; the start of each sequence, then T.
        max_length_q: number of tokens of the longest sequence.

    Returns: the output, [1, T, heads, head size], and None in place of attention weights.
    """
    if cu_seq_lens_q is None or max_length_q is None:
        raise ValueError("packed attention needs cu_seq_lens_q and max_length_q")
    foreign = [name for name in _FOREIGN if kwargs.get(name) is not None]
    if foreign:
        raise ValueError(f"packed attention does not support {foreign[0]}; train this model with packing off")
    if (dtype := _flash_dtype(query)) is not None:
        return flash(query.to(dtype), key.to(dtype), value.to(dtype), cu_seq_lens_q, max_length_q, scaling), None
    return _one_by_one(query, key, value, cu_seq_lens_q, dropout, scaling), None


def _flash_dtype(query: Tensor) -> torch.dtype | None:
    """The half-precision format for the flash kernel; None if the kernel cannot be used.

    Rotary embeddings of a quantised base, whose norms are float32, promote queries and keys under autocast.
    """
    if not query.is_cuda:
        return None
    dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else query.dtype
    return dtype if dtype in (torch.float16, torch.bfloat16) else None


def _one_by_one(
    query: Tensor, key: Tensor, value: Tensor, offsets: Tensor, dropout: float, scaling: float | None
) -> Tensor:
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    lengths = offsets.diff().tolist()
    pieces = zip(*(torch.split(x, lengths, 2) for x in (query, key, value)), strict=True)
    outputs = [
        scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True, scale=scaling) for q, k, v in pieces
    ]
    return torch.cat(outputs, dim=2).transpose(1, 2)


def flash(query: Tensor, key: Tensor, value: Tensor, offsets: Tensor, longest: int, scaling: float | None) -> Tensor:
    """Attention within packed sequences by torch's flash kernel, which a GPU has; arguments as `varlen_attention`'s."""
    from torch.nn.attention.varlen import varlen_attn

    q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))
    options: dict[str, Any] = {"scale": scaling, "window_size": (-1, 0)}
    if _asks_for_gqa(varlen_attn):
        options["enable_gqa"] = q.shape[1] != k.shape[1]
    return cast(Tensor, varlen_attn(q, k, v, offsets, offsets, longest, longest, **options))[None]


@cache
def _asks_for_gqa(kernel: Callable[..., Any]) -> bool:
    """Whether the kernel needs an argument for keys with fewer heads than queries; torch 2.11's kernel does not."""
    return "enable_gqa" in signature(kernel).parameters


AttentionInterface.register(VARLEN, varlen_attention)
