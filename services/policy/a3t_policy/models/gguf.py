"""Converts a GGUF file to a folder that every service can load: safetensors weights, tokenizer, chat template."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from a3t_contracts.errors import InvalidInputError

__all__ = ["convert"]


def convert(file: Path, folder: Path) -> None:
    """Write the model of a GGUF file to a folder, its weights in bfloat16.

    Quantised values stay rounded: the conversion changes the format, not the values. Raises InvalidInputError for a
    file that transformers cannot read.
    """
    place, name = str(file.parent), file.name
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, gguf_file=name)
        packed = AutoModelForCausalLM.from_pretrained(
            place, gguf_file=name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
        )
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise InvalidInputError(f"{file} cannot be read as a GGUF model: {error}") from error
    packed.config.name_or_path = ""
    # transformers refuses to save a model that was loaded from GGUF, although its weights are no longer quantised.
    plain = AutoModelForCausalLM.from_config(packed.config, dtype=torch.bfloat16)
    plain.load_state_dict(packed.state_dict())
    plain.tie_weights()
    plain.generation_config = packed.generation_config
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
