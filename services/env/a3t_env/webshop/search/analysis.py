"""The default English analyser of Anserini: tokens → possessive → lower case → stop words → Porter stems."""

from __future__ import annotations

from functools import cache
from sys import getsizeof
from typing import Any

from a3t_contracts.byte_cache import ByteCache

from .tokens import tokenize

__all__ = ["STOP_WORDS", "Analyzer", "analyze"]

STOP_WORDS = frozenset(
    {
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "but",
        "by",
        "for",
        "if",
        "in",
        "into",
        "is",
        "it",
        "no",
        "not",
        "of",
        "on",
        "or",
        "such",
        "that",
        "the",
        "their",
        "then",
        "there",
        "these",
        "they",
        "this",
        "to",
        "was",
        "will",
        "with",
    }
)
_APOSTROPHES = "'’＇"
_ROUNDING = 15
"""Most bytes that the memory allocator adds to a text."""


class Analyzer:
    """Turns texts into terms. Keeps the terms of known words in at most `memory` bytes (default: 64 MiB)."""

    def __init__(self, memory: int = 64 * 2**20) -> None:
        self._terms: ByteCache[str, str] = ByteCache(memory, _term, _weight)

    def __call__(self, text: str) -> list[str]:
        """The terms of a text in order, repeats included."""
        return [term for term in map(self._terms.get, tokenize(text)) if term]


def _weight(token: str, term: str) -> int:
    return getsizeof(token) + getsizeof(term) + 2 * _ROUNDING


def _term(token: str) -> str:
    """The term of a token; empty for a stop word."""
    if len(token) >= 2 and token[-1] in "sS" and token[-2] in _APOSTROPHES:
        token = token[:-2]
    word = _lower(token)
    if not word or word in STOP_WORDS:
        return ""
    stem: str = _stemmer().stem(word, to_lowercase=False)
    return stem


def _lower(token: str) -> str:
    """A token in lower case, character by character as in Java."""
    if token.isascii():
        return token.lower()
    return "".join(low if len(low := char.lower()) == 1 else low[0] for char in token)


@cache
def _stemmer() -> Any:
    # Imported late, because it takes half a second and a reopened catalogue needs no stems before its first search.
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer(mode=PorterStemmer.MARTIN_EXTENSIONS)


analyze = Analyzer(memory=8 * 2**20)
"""The analyser that queries share."""
