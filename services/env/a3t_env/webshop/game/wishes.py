"""Parses what an instruction asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Wishes", "read_wishes", "words_of"]

_PRICE = re.compile(r",? and price lower than (\d+(?:\.\d+)?) dollars$")
_OPTIONS = re.compile(r" with (?=[^:,]{1,40}: )")
_NEXT_OPTION = re.compile(r", and (?=[^:,]{1,40}: )")
_OPENING = re.compile(
    r"^(?:find me|show me|can you find me|i am looking for|i'm looking for|looking for|i need|i want|get me"
    r"|i would like)\s+(?:an? |some |the )?",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+")
_EMPTY = frozenset(
    {
        "a",
        "an",
        "and",
        "are",
        "for",
        "in",
        "is",
        "it",
        "me",
        "my",
        "of",
        "on",
        "or",
        "some",
        "that",
        "the",
        "to",
        "with",
    }
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What an instruction asks for. `core`: the instruction without its opening, options and price limit. `limit`:
    the price limit in dollars; None if there is none.
    """

    core: str
    options: dict[str, str]
    limit: float | None

    @property
    def query(self) -> str:
        """The words to search for: the core and the option values."""
        return " ".join([self.core, *self.options.values()]).lower()

    @property
    def words(self) -> frozenset[str]:
        """The words of the core without stop words."""
        return words_of(self.core)


def read_wishes(instruction: str) -> Wishes:
    """Parse an instruction such as `Find me … with size: 7, and color: red, and price lower than 20.00 dollars`."""
    price = _PRICE.search(instruction)
    text = instruction[: price.start()] if price else instruction
    head, options = text, {}
    if found := _OPTIONS.search(text):
        head = text[: found.start()]
        for part in _NEXT_OPTION.split(text[found.end() :]):
            name, _, value = part.partition(": ")
            options[name] = value
    return Wishes(_OPENING.sub("", head).strip(), options, float(price[1]) if price else None)


def words_of(text: str) -> frozenset[str]:
    """The words of a text without stop words, in lower case."""
    return frozenset(_WORD.findall(text.lower())) - _EMPTY
