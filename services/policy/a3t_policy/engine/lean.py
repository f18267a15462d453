"""A forward pass of Llama-like models with few, large operations.

On a CPU, most of a decoding step of a small model is the overhead of calling operations. The forward pass of
transformers makes about four times as many calls. This one computes q, k and v in one product, gate and up in another,
uses precomputed rotary tables and has no hooks. On a CPU it computes tokens without padding (`flat`). It is used only
if its results agree with those of transformers (`build._prove`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .decode_attention import decode_attention
from .exact import LEAST_ROWS
from .flat import FlatAttention, FlatPass
from .slots import SlotPool, write_tokens

__all__ = ["LeanModel", "Pass", "is_lean"]

_SHAPES = frozenset({"LlamaForCausalLM", "MistralForCausalLM"})


@dataclass(frozen=True, slots=True)
class Pass:
    """The inputs of one forward pass with padding. All rows have the width of the widest row.

    Args:
        ids, positions: (rows, width); padding has the pool's padding position.
        mask: (rows, 1, width, length), 0 or −inf.
        rows: pool row of each row.
        first: the first pool row if the rows are consecutive, else None.
        places: place of each token among all positions of the pool.
        length: largest number of positions to which a row attends.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    rows: Tensor
    places: Tensor
    length: int
    first: int | None

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
    """The weights of a model, arranged for few matrix products. Projections are copied; other weights are shared."""

    def __init__(self, module: Any, width: int) -> None:
        config, inner = module.config, module.model
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.head_dim = getattr(config, "head_dim", None) or config.hidden_size // self.heads
        self.eps, self.hidden = config.rms_norm_eps, (config.hidden_size,)
        self.embedding, self.norm, self.head = inner.embed_tokens.weight, inner.norm.weight, module.lm_head.weight
        self.layers = [_layer(layer) for layer in inner.layers]
        on_cpu = self.embedding.device.type == "cpu" and self.embedding.dtype == torch.float32
        self._attention = FlatAttention(self.heads, self.kv_heads, decode_attention() if on_cpu else None)
        positions = torch.arange(width, device=self.embedding.device)[None]
        cos, sin = inner.rotary_emb(self.embedding[:1][None], positions)
        half = self.head_dim // 2
        self.cos, self.sin = cos[0], torch.cat([-sin[0, :, :half], sin[0, :, half:]], dim=-1)

    @property
    def has_kernel(self) -> bool:
        """Whether single tokens attend in one call of the compiled kernel."""
        return self._attention.kernel is not None

    def forward(self, step: Pass | FlatPass, pool: SlotPool) -> Tensor:
        """Logits (rows, vocabulary) after the last token of each row or chunk; writes keys and values into the pool."""
        return self._flat(step, pool) if isinstance(step, FlatPass) else self._padded(step, pool)

    def _flat(self, step: FlatPass, pool: SlotPool) -> Tensor:
        x = F.embedding(step.ids, self.embedding)
        cos, sin = self.cos[step.positions][:, None], self.sin[step.positions][:, None]
        for index, layer in enumerate(self.layers):
            keys, values = pool.keys[index], pool.values[index]
            split = F.linear(F.rms_norm(x, self.hidden, layer.norm_in, self.eps), layer.qkv)
            split = split.view(len(x), -1, self.head_dim)
            query = self._store(split, cos, sin, step.places, keys, values)
            x = x + F.linear(self._attention(query, keys, values, step), layer.out)
            x = x + self._mlp(x, layer)
        x = x[step.last]
        if len(x) < LEAST_ROWS:
            x = torch.cat([x, x.new_zeros(LEAST_ROWS - len(x), x.shape[1])])
        return self._logits(x)[: len(step.last)]

    def _padded(self, step: Pass, pool: SlotPool) -> Tensor:
        x = F.embedding(step.ids, self.embedding)
        rows, width = step.ids.shape
        cos, sin = self.cos[step.positions][:, :, None], self.sin[step.positions][:, :, None]
        mask = step.mask.repeat(1, 1, self.heads // self.kv_heads, 1)
        for index, layer in enumerate(self.layers):
            keys, values = pool.keys[index], pool.values[index]
            split = F.linear(F.rms_norm(x, self.hidden, layer.norm_in, self.eps), layer.qkv)
            split = split.view(rows, width, -1, self.head_dim)
            query = self._store(split, cos, sin, step.places, keys, values).transpose(1, 2)
            query = query.reshape(rows, self.kv_heads, -1, self.head_dim)
            said = F.scaled_dot_product_attention(query, step.visible(keys), step.visible(values), attn_mask=mask)
            said = said.reshape(rows, self.heads, width, self.head_dim).transpose(1, 2).reshape(rows, width, -1)
            x = x + F.linear(said, layer.out)
            x = x + self._mlp(x, layer)
        return self._logits(x[:, -1])

    def _store(self, split: Tensor, cos: Tensor, sin: Tensor, places: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Rotate queries and keys, write keys and values to their places, and return the queries.

        `split` is (..., heads + 2 kv heads, dim).
        """
        turned = split[..., : self.heads + self.kv_heads, :]
        turned = turned * cos + turned.roll(self.head_dim // 2, -1) * sin
        write_tokens(keys, places, turned[..., self.heads :, :])
        write_tokens(values, places, split[..., self.heads + self.kv_heads :, :])
        return turned[..., : self.heads, :]

    def _mlp(self, x: Tensor, layer: _Layer) -> Tensor:
        h = F.rms_norm(x, self.hidden, layer.norm_mid, self.eps)
        gate, up = F.linear(h, layer.gate_up).chunk(2, dim=-1)
        return F.linear(F.silu(gate) * up, layer.down)

    def _logits(self, x: Tensor) -> Tensor:
        return F.linear(F.rms_norm(x, self.hidden, self.norm, self.eps), self.head)


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
