"""A byte-level tokenizer in which every name, every number and every fixed phrase of the games is one token.

Text is first cut at fixed phrases (the longest that fits), words with their leading space, numbers and signs. A piece
that the vocabulary knows is one token; any other is spelt in bytes. So " mug" has the same id wherever it stands,
which is what copying needs, and every text comes back as it was.
"""

from __future__ import annotations

import re

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from .vocabulary import NUMBERS, OBJECTS, PHRASES, RECEPTACLES, WORDS

__all__ = ["build_tokenizer"]

_SPECIAL = ("<pad>", "<s>", "</s>")
_OTHERS = (r" ?[A-Za-z]+", r" ?[0-9]+", r" ?[^\sA-Za-z0-9]", r"\s")


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer of the tiny models; the same bytes on every machine."""
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer = Tokenizer(models.BPE(vocab=_vocabulary(byte_level), merges=[], ignore_merges=True))
    cut = pre_tokenizers.Split(Regex(_pattern()), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([cut, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=_SPECIAL[0],
        bos_token=_SPECIAL[1],
        eos_token=_SPECIAL[2],
        clean_up_tokenization_spaces=False,
        model_max_length=4096,
    )


def _vocabulary(byte_level: pre_tokenizers.ByteLevel) -> dict[str, int]:
    names = [f" {word}" for word in (*OBJECTS, *RECEPTACLES, *NUMBERS, *WORDS)]
    pieces = [byte_level.pre_tokenize_str(text)[0][0] for text in (*names, *PHRASES)]
    tokens = dict.fromkeys((*_SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet()), *pieces))
    return {token: index for index, token in enumerate(tokens)}


def _pattern() -> str:
    """Phrases first, longest first; one that ends in a letter must not end inside a word."""
    phrases = sorted(PHRASES, key=lambda phrase: (-len(phrase), phrase))
    return "|".join((*map(_phrase_pattern, phrases), *_OTHERS))


def _phrase_pattern(phrase: str) -> str:
    literal = re.sub(r"([^A-Za-z0-9 \n,:'])", r"\\\1", phrase).replace("\n", r"\n")
    return literal + (r"(?![A-Za-z0-9])" if phrase[-1].isalnum() else "")
