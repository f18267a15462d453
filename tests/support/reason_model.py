"""A real model that writes one known text: Mistral architecture, the next token depends on the last one alone.

Its weights are set by hand: embeddings are one-hot, attention and feed-forward add nothing, and the output layer
maps each token to the one that follows it in the text.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["SENTENCE", "make_known_text_model", "make_reason_model"]

SENTENCE = "I need a mug, so this shelf is worth checking."


def make_reason_model(folder: Path) -> Path:
    """A model that writes `SENTENCE` after a colon, as ActRe's prompts end with one."""
    return make_known_text_model(folder, ":", f" {SENTENCE}")


def make_known_text_model(folder: Path, after: str, text: str) -> Path:
    """Write config, weights and tokenizer of a model that writes `text` after a prompt that ends in `after`.

    No word may stand in `text` twice; it may end in `after`, and is then written over and over.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        [after + text],
        trainers.BpeTrainer(
            vocab_size=512,
            special_tokens=["<pad>", "<s>", "</s>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    ids = tokenizer.encode(after + text).ids
    if len(set(ids[:-1])) != len(ids) - 1:
        raise ValueError("a token stands twice in the text")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        clean_up_tokenization_spaces=False,
        chat_template="{{ messages[-1]['content'] }}",
    )
    width = len(fast)
    model = MistralForCausalLM(
        MistralConfig(
            vocab_size=width,
            hidden_size=width,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
            intermediate_size=8,
            max_position_embeddings=16384,
            sliding_window=None,
            tie_word_embeddings=False,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        )
    )
    with torch.no_grad():
        layer = model.model.layers[0]
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(width))
        model.lm_head.weight.zero_()
        for now, following in zip(reversed(ids), [2, *reversed(ids[1:])], strict=True):
            model.lm_head.weight[:, now] = 0.0
            model.lm_head.weight[following, now] = 1.0
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder
