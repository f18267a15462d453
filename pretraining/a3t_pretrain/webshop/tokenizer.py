"""A byte-level tokenizer for the shop: fixed phrases and common words are one token each, product numbers are pairs.

Text is first cut at fixed phrases (the longest that fits), known words with their leading space, product numbers (one
character, four pairs, one character, the same cut in capitals and in small letters), groups of two digits, other words
and signs. A piece in the vocabulary is one token; other words consist of learnt pieces, and everything else of bytes.
Decoding gives back every text unchanged.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from string import ascii_lowercase, ascii_uppercase, digits

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast
from typing_extensions import override

from ..practice import Lexicon, Weighing
from ..tokenizer import byte_level_tokenizer, literal_pattern
from .vocabulary import PHRASES, common_words, merges_of, rare_words

__all__ = ["ShopLexicon", "build_shop_tokenizer"]

_MERGES = 400
_ASIN = 10
_NUMBERS = [*map(str, range(100)), *(f"0{n}" for n in range(10))]
_OTHERS = (r" ?[0-9]{1,2}", r"[A-Za-z]+", r" ?[^\sA-Za-z0-9]", r"\s")


class ShopLexicon(Lexicon):
    """The shop's tokenizer.

    Args:
        texts: pieces of pages and task lines, from which word pieces are learnt.
        values: words that only name options of products; `shuffled` permutes them.
    """

    weighing = Weighing(
        observation=0.1, most_observed=150, first_observed=False, last_observation=False, most_tokens=3000
    )

    def __init__(self, texts: Iterable[str], values: Iterable[str]) -> None:
        self.tokenizer: PreTrainedTokenizerBase = build_shop_tokenizer(texts)
        groups: dict[str, dict[int, int]] = defaultdict(dict)
        for token, index in self.tokenizer.get_vocab().items():
            spelt = self.tokenizer.convert_tokens_to_string([token])
            word = spelt.removeprefix(" ")
            if word.isascii() and word.isalnum():
                groups[word.lower()][index] = spelt.startswith(" ") + 2 * word[0].isupper()
        self._twins = [sorted(groups[word].items()) for word in sorted(groups) if len(groups[word]) > 1]
        named = sorted({word for word in values if len(word) > 1})
        self._named = [_forms(self.tokenizer, word) for word in named if _is_known(self.tokenizer, word)]

    @override
    def twins(self) -> Sequence[Sequence[tuple[int, int]]]:
        return self._twins

    def shuffled(self, rng: random.Random) -> NDArray[np.int64]:
        """Permute the words that name options. All forms of a word are permuted in the same way."""
        table = np.arange(len(self.tokenizer))
        for old, new in zip(self._named, rng.sample(self._named, len(self._named)), strict=True):
            table[old] = new
        return table


def build_shop_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Build the tokenizer for the words of some texts. The same texts in any order give the same ids."""
    known = sorted(set(texts))
    words = common_words(known)
    merges = merges_of(rare_words(known, words), _MERGES)
    forms = [form for word in (*ascii_lowercase, *words) for form in _spellings(word)]
    numbers = [form for number in _NUMBERS for form in (f" {number}", number)]
    pairs = [
        a + b for letters in (ascii_uppercase, ascii_lowercase) for a in letters + digits for b in letters + digits
    ]
    return byte_level_tokenizer((*forms, *numbers, *pairs, *PHRASES), _pattern(words), merges)


def _spellings(word: str) -> tuple[str, ...]:
    return f" {word}", word, f" {word.capitalize()}", word.capitalize()


def _pattern(words: Sequence[str]) -> str:
    phrases = sorted(PHRASES, key=lambda phrase: (-len(phrase), phrase))
    known = "|".join(f"[{w[0].upper()}{w[0]}]{w[1:]}" for w in sorted(words, key=lambda w: (-len(w), w)))
    word = [rf" ?(?:{known})(?![A-Za-z])"] if known else []
    single = " ?[A-Za-z](?![A-Za-z])"
    return "|".join((*map(literal_pattern, phrases), *_numbers_of_products(words), *word, single, *_OTHERS))


def _numbers_of_products(words: Sequence[str]) -> list[str]:
    """Patterns for the characters of product numbers: in capitals anywhere, in small letters in clicks. A known word
    of ten letters is not a product number.
    """
    taken = [word for word in words if len(word) == _ASIN]
    no_word = f"(?!(?:{'|'.join(taken)})\\])" if taken else ""
    patterns = []
    for letter, before, end in (("[A-Z0-9]", "[^A-Za-z0-9]", "(?![A-Za-z0-9])"), ("[a-z0-9]", r"click\[", r"(?=\])")):
        first = f"{letter}(?={letter}{{{_ASIN - 1}}}{end})"
        space = " ?" if before.startswith("[") else ""
        patterns.append(f"{space}(?<={before}){no_word if not space else ''}{first}")
        patterns += [
            f"(?<={before}{letter * done}){letter}{{2}}(?={letter * (_ASIN - 2 - done)}{end})"
            for done in range(1, _ASIN - 2, 2)
        ]
    return patterns


def _forms(tokenizer: PreTrainedTokenizerBase, word: str) -> list[int]:
    return [tokenizer(form, add_special_tokens=False)["input_ids"][0] for form in _spellings(word)]


def _is_known(tokenizer: PreTrainedTokenizerBase, word: str) -> bool:
    return all(len(tokenizer(form, add_special_tokens=False)["input_ids"]) == 1 for form in _spellings(word))
