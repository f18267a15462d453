"""Makes models of known shapes with random weights, because the time of a computation does not depend on the
weights.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM, MistralConfig, PreTrainedTokenizerFast

__all__ = ["SHAPES", "make_model"]

SHAPES: dict[str, dict[str, int]] = {
    "tiny": {
        "vocab_size": 256,
        "hidden_size": 128,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "head_dim": 32,
        "intermediate_size": 384,
        "max_position_embeddings": 4096,
    },
    "mistral-7b": {
        "vocab_size": 32000,
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "intermediate_size": 14336,
        "max_position_embeddings": 32768,
    },
}


def make_model(folder: Path, shape: str, tokenizer: Path | None = None) -> Path:
    """Make a Mistral model of a shape, in float32 if tiny and bfloat16 otherwise, on the GPU if there is one.

    Args:
        tokenizer: folder of the tokenizer that is copied beside it; default: a placeholder.
    """
    import torch

    torch.manual_seed(0)
    config = MistralConfig(**SHAPES[shape], sliding_window=None, tie_word_embeddings=shape == "tiny", pad_token_id=0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        dtype = torch.float32 if shape == "tiny" else torch.bfloat16
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    model.save_pretrained(folder)
    if tokenizer is None:
        _bare_tokenizer().save_pretrained(folder)
    else:
        for path in tokenizer.glob("tokenizer*"):
            shutil.copy(path, folder)
    return folder


def _bare_tokenizer() -> PreTrainedTokenizerFast:
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(special.values())}, unk_token="<unk>"))  # noqa: S106
    return PreTrainedTokenizerFast(tokenizer_object=inner, **special)
