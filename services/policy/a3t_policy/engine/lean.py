"""A forward pass of Llama-like models with few, large operations.

A small model on a CPU spends most of a decoding step on calling operations. The forward of transformers makes about
four times as many calls. This one fuses q, k, v and gate, up into one product each, takes precomputed rotary tables and
has no hooks. It is used only if its results agree with those of transformers (`agrees`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .decode_attention import decode_attention
from .slots import SlotPool

__all__ = ["LeanModel", "Pass", "Span", "is_lean"]

_SHAPES = frozenset({"LlamaForCausalLM", "MistralForCausalLM"})


@dataclass(frozen=True, slots=True)
class Span:
    """What one row of a pass computes: its number in the pass, its row in the pool, the columns of padding before its
    tokens, and the number of tokens that its last one attends to."""

    row: int
    slot: int
    pad: int
    length: int


@dataclass(frozen=True, slots=True)
class Pass:
    """The inputs of one forward pass.

    Args:
        ids, positions: (rows, width); padding has the pool's padding position.
        mask: (rows, 1, width, length), 0 or −inf; None where every row has one token.
        rows: pool row of each row.
        first: the first pool row if the rows are consecutive, else None.
        places: place of each token among all positions of the pool.
        spans: one for each row that computes something.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor | None
    rows: Tensor
    places: Tensor
    length: int
    first: int | None
    spans: tuple[Span, ...]
    seats: tuple[np.ndarray, np.ndarray]
    """The slot of each span, and the number of tokens that it attends to; int64."""

    def store(self, tensor: Tensor, new: Tensor) -> None:
        """Write new keys or values (rows, width, heads, head_dim) to their places."""
        tensor.view(-1, *tensor.shape[2:]).index_copy_(0, self.places, new.reshape(-1, *tensor.shape[2:]))

    def visible(self, tensor: Tensor) -> Tensor:
        """Keys or values of the rows up to `length`: (rows, heads, length, head_dim)."""
        if self.first is not None:
            return tensor[self.first : self.first + len(self.rows), : self.length].transpose(1, 2)
        return tensor[:, : self.length].index_select(0, self.rows).transpose(1, 2)


@dataclass(frozen=True, slots=True)
class _Layer:
    norm_in: Tensor
    qkv: Tensor
    out: Tensor
    norm_mid: Tensor
    gate_up: Tensor
    down: Tensor


def is_lean(module: Any) -> bool:
    """Whether a transformers model has the architecture that `LeanModel` computes."""
    config = module.config
    rope = getattr(config, "rope_parameters", None) or {}
    return (
        type(module).__name__ in _SHAPES
        and not getattr(module, "is_quantized", False)
        and config.hidden_act == "silu"
        and rope.get("rope_type", "default") == "default"
        and not getattr(config, "attention_bias", False)
        and not getattr(config, "mlp_bias", False)
    )


class LeanModel:
    """The weights of a model, arranged for few products. Projections are copied, other weights shared."""

    def __init__(self, module: Any, width: int) -> None:
        config, inner = module.config, module.model
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.head_dim = getattr(config, "head_dim", None) or config.hidden_size // self.heads
        self.eps, self.hidden = config.rms_norm_eps, (config.hidden_size,)
        self.embedding, self.norm, self.head = inner.embed_tokens.weight, inner.norm.weight, module.lm_head.weight
        self.layers = [_layer(layer) for layer in inner.layers]
        on_cpu = self.embedding.device.type == "cpu" and self.embedding.dtype == torch.float32
        self._kernel = decode_attention() if on_cpu else None
        positions = torch.arange(width, device=self.embedding.device)[None]
        cos, sin = inner.rotary_emb(self.embedding[:1][None], positions)
        half = self.head_dim // 2
        self.cos, self.sin = cos[0], torch.cat([-sin[0, :, :half], sin[0, :, half:]], dim=-1)

    def forward(self, step: Pass, pool: SlotPool) -> Tensor:
        """Logits (rows, vocabulary) after the last column; writes keys and values into the pool."""
        x = F.embedding(step.ids, self.embedding)
        at = step.positions
        cos, sin = self.cos[at][:, :, None], self.sin[at][:, :, None]
        groups = self.heads // self.kv_heads
        mask = step.mask
        if mask is not None and groups > 1 and x.device.type != "cpu":
            mask = mask.repeat(1, 1, groups, 1)
        for index, layer in enumerate(self.layers):
            h = F.rms_norm(x, self.hidden, layer.norm_in, self.eps)
            x = x + F.linear(self._attend(F.linear(h, layer.qkv), cos, sin, mask, step, pool, index), layer.out)
            h = F.rms_norm(x, self.hidden, layer.norm_mid, self.eps)
            gate, up = F.linear(h, layer.gate_up).chunk(2, dim=-1)
            x = x + F.linear(F.silu(gate) * up, layer.down)
        return F.linear(F.rms_norm(x[:, -1], self.hidden, self.norm, self.eps), self.head)

    def _attend(
        self, qkv: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None, step: Pass, pool: SlotPool, index: int
    ) -> Tensor:
        rows, width, _ = qkv.shape
        split = qkv.view(rows, width, -1, self.head_dim)
        turned = split[:, :, : self.heads + self.kv_heads]
        turned = turned * cos + turned.roll(self.head_dim // 2, -1) * sin
        keys, values = pool.keys[index], pool.values[index]
        step.store(keys, turned[:, :, self.heads :])
        step.store(values, split[:, :, self.heads + self.kv_heads :])
        if mask is None and self._kernel is not None:
            asked = turned[:, 0, : self.heads]
            return self._kernel(asked, keys, values, *step.seats).view(rows, 1, -1)
        query = turned[:, :, : self.heads].transpose(1, 2)
        if mask is None:
            return self._one_token_rows(query, keys, values, step)
        if query.device.type == "cpu":
            return self._row_by_row(query, keys, values, mask, step)
        query = query.reshape(rows, self.kv_heads, -1, self.head_dim)
        said = F.scaled_dot_product_attention(query, step.visible(keys), step.visible(values), attn_mask=mask)
        return said.reshape(rows, self.heads, width, self.head_dim).transpose(1, 2).reshape(rows, width, -1)

    def _one_token_rows(self, query: Tensor, keys: Tensor, values: Tensor, step: Pass) -> Tensor:
        """`_row_by_row` for one new token in every row: as few calls for each row as there can be, because with short
        rows they take longer than the arithmetic. Rows that compute nothing come last."""
        rows, heads, _, size = query.shape
        own = query.reshape(rows, self.kv_heads, -1, size).unsqueeze(1).unbind(0)
        slot, token = keys.stride(0), keys.stride(1)
        strides = (slot, size, token, 1)
        said = []
        for span, asked in zip(step.spans, own, strict=False):
            shape, start = (1, self.kv_heads, span.length, size), span.slot * slot
            seen, told = keys.as_strided(shape, strides, start), values.as_strided(shape, strides, start)
            said.append(F.scaled_dot_product_attention(asked, seen, told))
        if len(said) < rows:
            said.append(query.new_zeros(rows - len(said), self.kv_heads, heads // self.kv_heads, size))
        return torch.cat(said).view(rows, 1, -1)

    def _row_by_row(self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor, step: Pass) -> Tensor:
        """Attention in which every row reads its own tokens in place: nothing is copied, and no row reads beyond its
        length."""
        rows, heads, width, size = query.shape
        said = query.new_zeros(rows, width, heads, size)
        for span in step.spans:
            own = query[span.row, :, span.pad :].reshape(1, self.kv_heads, -1, size)
            tokens = slice(span.slot, span.slot + 1), slice(span.length)
            seen = mask[span.row, :, span.pad :, : span.length] if width - span.pad > 1 else None
            if seen is not None and heads > self.kv_heads:
                seen = seen.repeat(1, heads // self.kv_heads, 1)
            out = F.scaled_dot_product_attention(
                own, keys[tokens].transpose(1, 2), values[tokens].transpose(1, 2), attn_mask=seen
            )
            said[span.row, span.pad :] = out.view(heads, -1, size).transpose(0, 1)
        return said.view(rows, width, -1)


def _layer(layer: Any) -> _Layer:
    attention, mlp = layer.self_attn, layer.mlp
    return _Layer(
        norm_in=layer.input_layernorm.weight,
        qkv=torch.cat([attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight]),
        out=attention.o_proj.weight,
        norm_mid=layer.post_attention_layernorm.weight,
        gate_up=torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]),
        down=mlp.down_proj.weight,
    )
