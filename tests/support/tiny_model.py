"""A tiny real model for tests: Mistral architecture, random weights, byte-level BPE tokenizer. Deterministic."""

from __future__ import annotations

from pathlib import Path

_TEXTS = [
    "Observation: You are in the middle of a room. Looking quickly around you, you see a cabinet 2, a cabinet 1, "
    "a fridge 1. Your task is to: put a mug in cabinet.\n",
    "Thought: I look for a mug. Next I check cabinet 1.\nAction: go to cabinet 1\n",
    "Observation: You arrive at cabinet 1. The cabinet 1 is closed.\nAction: open cabinet 1\n",
    "Action: take mug 1 from cabinet 1\nObservation: You pick up the mug 1 from the cabinet 1.\n",
    "Action: search[red shoes]\nAction: click[buy now]\nObservation: Nothing happens.\n",
]


def make_tiny_model(folder: Path, seed: int = 0, vocab_size: int = 400) -> Path:
    """Write config, weights and tokenizer to `folder` (about 200 kB) and return it."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<pad>", "<s>", "</s>"]
    tokenizer.train_from_iterator(
        _TEXTS, trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=special, initial_alphabet=alphabet)
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        clean_up_tokenization_spaces=False,
    )
    torch.manual_seed(seed)
    config = MistralConfig(
        vocab_size=len(fast),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        intermediate_size=128,
        max_position_embeddings=2048,
        sliding_window=None,
        initializer_range=0.2,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    MistralForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder
