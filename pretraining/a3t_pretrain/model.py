"""Creates the untrained model."""

from __future__ import annotations

import torch
from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerBase

from .settings import ModelShape
from .structure import Twins, structured_start

__all__ = ["new_model"]

_INITIALIZER_RANGE = 0.05


def new_model(
    shape: ModelShape, tokenizer: PreTrainedTokenizerBase, seed: int, twins: Twins = ()
) -> MistralForCausalLM:
    """Make a model of a shape with a structured start (see `structure`). The same seed gives the same model."""
    config = MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        head_dim=shape.head_size,
        intermediate_size=shape.feed_forward,
        max_position_embeddings=shape.positions,
        sliding_window=None,
        tie_word_embeddings=True,
        initializer_range=_INITIALIZER_RANGE,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    torch.manual_seed(seed)
    model = MistralForCausalLM(config)
    structured_start(model, twins)
    return model
