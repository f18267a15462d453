"""A byte-level tokenizer in which every name, every number and every fixed phrase of the games is one token.

Text is first cut at fixed phrases (the longest that fits), words with their leading space, numbers and signs. A piece
that the vocabulary knows is one token; any other is spelt in bytes. So " mug" has the same id wherever it stands,
which is what copying needs, and every text comes back as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from .vocabulary import NUMBERS, OBJECTS, PHRASES, RECEPTACLES, WORDS

__all__ = ["build_tokenizer", "byte_level_tokenizer", "literal_pattern"]

_SPECIAL = ("<pad>", "<s>", "</s>")
_OTHERS = (r" ?[A-Za-z]+", r" ?[0-9]+", r" ?[^\sA-Za-z0-9]", r"\s")


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Build the tokenizer of the tiny models. Its files have the same bytes on every machine."""
    names = [f" {word}" for word in (*OBJECTS, *RECEPTACLES, *NUMBERS, *WORDS)]
    return byte_level_tokenizer((*names, *PHRASES), _pattern())


def byte_level_tokenizer(
    texts: Iterable[str], pattern: str, merges: Sequence[tuple[str, str]] = ()
) -> PreTrainedTokenizerFast:
    """Build a tokenizer with one token for each of some texts, and for each byte.

    Args:
        texts: the texts that are one token each, in the order of the ids.
        pattern: regular expression that first cuts a text into pieces.
        merges: byte pairs that are joined in pieces that are not a token.
    """
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    pieces = [byte_level.pre_tokenize_str(text)[0][0] for text in texts]
    merged = [first + second for first, second in merges]
    tokens = dict.fromkeys((*_SPECIAL, *sorted(pre_tokenizers.ByteLevel.alphabet()), *pieces, *merged))
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=list(merges), ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=_SPECIAL[0],
        bos_token=_SPECIAL[1],
        eos_token=_SPECIAL[2],
        clean_up_tokenization_spaces=False,
        model_max_length=4096,
    )


def _pattern() -> str:
    """Phrases first, longest first; one that ends in a letter must not end inside a word."""
    phrases = sorted(PHRASES, key=lambda phrase: (-len(phrase), phrase))
    return "|".join((*map(literal_pattern, phrases), *_OTHERS))


def literal_pattern(phrase: str) -> str:
    """The phrase as a pattern; one that ends in a letter must not end inside a word."""
    literal = re.sub(r"([^A-Za-z0-9 \n,:'])", r"\\\1", phrase).replace("\n", r"\n")
    return literal + (r"(?![A-Za-z0-9])" if phrase[-1].isalnum() else "")
