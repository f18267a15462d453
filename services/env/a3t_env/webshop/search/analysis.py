"""Anserini's default English analyser: tokens → possessive → lower case → stop words → Porter stems."""

from __future__ import annotations

from functools import cache
from typing import Any

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


class Analyzer:
    """Turns texts into terms. Terms of words are remembered, at most `memory` of them."""

    def __init__(self, memory: int = 500_000) -> None:
        self._terms: dict[str, str] = {}
        self._memory = memory

    def __call__(self, text: str) -> list[str]:
        """The terms of a text in order, repeats included."""
        known, terms = self._terms, []
        for token in tokenize(text):
            term = known.get(token)
            if term is None:
                term = self._remember(token)
            if term:
                terms.append(term)
        return terms

    def _remember(self, token: str) -> str:
        if len(self._terms) >= self._memory:
            self._terms.clear()
        self._terms[token] = term = _term(token)
        return term


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
    """Lower case one character by one, as Java does."""
    if token.isascii():
        return token.lower()
    return "".join(low if len(low := char.lower()) == 1 else low[0] for char in token)


@cache
def _stemmer() -> Any:
    # Imported late: the package takes half a second, and a reopened catalogue needs no stems before its first search.
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer(mode=PorterStemmer.MARTIN_EXTENSIONS)


analyze = Analyzer(memory=50_000)
"""The analyser that queries share."""
