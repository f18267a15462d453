"""A structured start: attention heads that copy, set by hand before the first training step.

Small models learn to copy late, and an agent that reads lists needs little else. Layer 0 gets one head that looks at
the token before; layer 1 gets two induction heads, which look for earlier places where the present token was followed
by something, and write what followed into the tied embedding. Everything else starts at random, its outputs scaled
down so that it does not drown the copies. Olsson et al., "In-context Learning and Induction Heads", 2022, describe
these heads in trained models.

The embedding is split: the first half is random, one constant dimension included; the second half is left free for the
previous token's embedding, which head 0 writes there.

Tokens that spell the same word, with or without a leading space or a capital, may begin as twins: the same random
vector but for two dimensions that tell their forms apart, so that a word matches itself and is copied in any form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from transformers import MistralForCausalLM
from transformers.models.mistral.modeling_mistral import MistralAttention

__all__ = ["Twins", "structured_start"]

_EMBEDDING_STD = 0.05
_CONSTANT = 0.2
_FORM = 0.1
_TWIN_NOISE = 0.2
_PREVIOUS_SHARPNESS = 1.6
_MATCH_SHARPNESS = 2.2
_COPY_GAIN = 12.0
_CALM = 0.1
_PHASE_DIMS = 3
"""Number of fastest rotary frequencies, which distinguish a distance of one token from all others."""
_SLOW_PERIOD = 1100.0
"""Period in tokens. Rotary frequencies with a longer period turn little within an episode, so matching may use them."""


Twins = Sequence[Sequence[tuple[int, int]]]
"""Groups of (token id, form); form = 2 · capital + leading space."""


@torch.no_grad()
def structured_start(model: MistralForCausalLM, twins: Twins = ()) -> None:
    """Set the copying heads in place. Needs as many key-value heads as heads, and two layers or more."""
    config = model.config
    if config.num_attention_heads != config.num_key_value_heads or config.num_hidden_layers < 2:
        raise ValueError("a structured start needs num_key_value_heads == num_attention_heads and two layers")
    layers = model.model.layers
    for layer in layers:
        layer.self_attn.o_proj.weight.mul_(_CALM)
        layer.mlp.down_proj.weight.mul_(_CALM)
    _split_embedding(model.model.embed_tokens.weight)
    _join_twins(model.model.embed_tokens.weight, twins)
    frequencies = rotary_frequencies(model)
    _previous_token_head(layers[0].self_attn, frequencies, config.hidden_size, config.head_dim)
    for head in (0, 1):
        _induction_head(layers[1].self_attn, head, frequencies, config.hidden_size, config.head_dim)


def rotary_frequencies(model: MistralForCausalLM) -> list[float]:
    """Radians per token of the rotary pairs (i, i + head_dim / 2)."""
    half = model.config.head_dim // 2
    theta = float(model.config.rope_parameters["rope_theta"])
    return [theta ** (-i / half) for i in range(half)]


def _split_embedding(embedding: torch.Tensor) -> None:
    embedding.normal_(0.0, _EMBEDDING_STD)
    embedding[:, embedding.shape[1] // 2 :] = 0.0
    embedding[:, 0] = _CONSTANT


def _join_twins(embedding: torch.Tensor, twins: Twins) -> None:
    """Give each group of twins the vector of its first token, except for the last two dimensions of the first half,
    which have the form.
    """
    half = embedding.shape[1] // 2
    for group in twins:
        shared = embedding[group[0][0], 1 : half - 2].clone()
        for token, form in group:
            own = embedding[token, 1 : half - 2]
            embedding[token, 1 : half - 2] = shared + _TWIN_NOISE * own
            embedding[token, half - 2] = _FORM * (1 if form & 1 else -1)
            embedding[token, half - 1] = _FORM * (1 if form & 2 else -1)


def _rms(hidden: int, written: int) -> float:
    """Root mean square of a token's vector when `written` dimensions were copied into its free half."""
    random_dims = hidden // 2 - 1 + written
    return math.sqrt((random_dims * _EMBEDDING_STD**2 + _CONSTANT**2) / hidden)


def _previous_token_head(attention: MistralAttention, frequencies: list[float], hidden: int, size: int) -> None:
    """Query and key are the constant dimension; the key is turned by one position in the fastest frequencies."""
    query, key, value, output = _clear(attention, 0, size)
    half = size // 2
    for i in range(_PHASE_DIMS):
        query[i, 0] = _PREVIOUS_SHARPNESS
        key[i, 0] = _PREVIOUS_SHARPNESS * math.cos(frequencies[i])
        key[i + half, 0] = _PREVIOUS_SHARPNESS * math.sin(frequencies[i])
    for i in range(size):
        value[i, 1 + i] = 1.0
        output[hidden // 2 + i, i] = _rms(hidden, 0)


def _induction_head(attention: MistralAttention, head: int, frequencies: list[float], hidden: int, size: int) -> None:
    """Matches the present token with the previous token of earlier places; copies the token that stands there.

    The two heads compare and copy different parts of the embedding."""
    query, key, value, output = _clear(attention, head, size)
    slow = [i for i, f in enumerate(frequencies) if 2 * math.pi / f > _SLOW_PERIOD]
    dims = [*slow, *(i + size // 2 for i in slow)]
    offset = 0 if head == 0 else size - len(dims)
    for source, dim in enumerate(dims):
        query[dim, 1 + offset + source] = _MATCH_SHARPNESS
        key[dim, hidden // 2 + offset + source] = _MATCH_SHARPNESS
    for i in range(size):
        source = 1 + head * size + i
        if source < hidden // 2:
            value[i, source] = 1.0
            output[source, i] = _COPY_GAIN * _rms(hidden, size)


def _clear(attention: MistralAttention, head: int, size: int) -> tuple[torch.Tensor, ...]:
    """Views on a head's own rows of the q, k, v weights and columns of the output weight, set to zero."""
    rows = slice(head * size, (head + 1) * size)
    views = [getattr(attention, f"{name}_proj").weight[rows] for name in ("q", "k", "v")]
    views.append(attention.o_proj.weight[:, rows])
    for view in views:
        view.zero_()
    return tuple(views)
