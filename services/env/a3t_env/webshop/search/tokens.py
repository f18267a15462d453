"""Lucene's StandardTokenizer: the word-break rules of UAX #29, emoji as tokens, tokens of at most 255 characters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import regex  # type: ignore[import-untyped]

from .emoji import MODIFIER_BASES, MODIFIERS, PICTOGRAPHS

__all__ = ["MAX_TOKEN", "tokenize"]

MAX_TOKEN = 255


def _words(letter: str, digit: str, extend: str, mid_letter: str, mid_digit: str, katakana: str = "") -> str:
    """A run of letters and digits: `mid_letter` joins letters, `mid_digit` digits, `extend` (like _) both."""
    number = f"{digit}(?:(?:{extend}*|{mid_digit}){digit})*"
    word = f"{letter}(?:(?:{extend}*|{mid_letter}){letter})*"
    run = f"(?:{number}|{word})+"
    if katakana:
        run = f"(?:{katakana}(?:{extend}*{katakana})*|{run})"
    return f"{extend}*+{run}(?:{extend}+{run})*{extend}*"


# The lookbehind makes a run of underscores without a letter after it be tried once, not once per character.
_ASCII = re.compile("(?<!_)" + _words("[A-Za-z]", "[0-9]", "_", "[:.']", "[,;.']"))

_MARKS = rf"[\p{{WB=Format}}\p{{WB=Extend}}\p{{WB=ZWJ}}--[{MODIFIERS}]]*+"
# Marks after a pictograph. A joiner that another pictograph follows is left out, because it joins the two.
_EMOJI_MARKS = (
    rf"(?:[\p{{WB=Format}}\p{{WB=Extend}}--[{MODIFIERS}\uFE0E\uFE0F]]"
    rf"|\p{{WB=ZWJ}}(?!\p{{WB=ZWJ}}*[{PICTOGRAPHS}{MODIFIERS}]))*+"
)


def _marked(chars: str) -> str:
    return rf"(?:[{chars}]{_MARKS})"


def _unicode_pattern() -> Any:
    extend = _marked(r"\p{WB=ExtendNumLet}")
    words = _words(
        letter=_marked(r"\p{WB=ALetter}\p{WB=Hebrew_Letter}"),
        digit=_marked(r"\p{WB=Numeric}\uFF10-\uFF19"),
        extend=extend,
        mid_letter=_marked(r"\p{WB=MidLetter}\p{WB=MidNumLet}'"),
        mid_digit=_marked(r"\p{WB=MidNum}\p{WB=MidNumLet}'"),
        katakana=_marked(r"\p{WB=Katakana}"),
    )
    zwj = r"\p{WB=ZWJ}"
    picture = rf"(?:[{PICTOGRAPHS}]{_EMOJI_MARKS}\uFE0F?)"
    toned = rf"(?:(?:[{MODIFIER_BASES}]{_EMOJI_MARKS})?[{MODIFIERS}]{_EMOJI_MARKS})"
    element = f"(?:{toned}|{picture})"
    flag = _marked(r"\p{WB=Regional_Indicator}") + "{2}"
    keycap = rf"[#*]{_EMOJI_MARKS}\uFE0F?\u20E3{_EMOJI_MARKS}"
    tags = "[\U000e0020-\U000e007e]+\U000e007f"
    emoji = f"(?:(?<!{zwj}){zwj}++)?{element}(?:(?:{zwj}+{element})+|{tags})?|{keycap}|{flag}"
    single = _marked(r"\p{Script=Han}") + "|" + _marked(r"\p{Script=Hiragana}")
    complex_context = _marked(r"\p{LB=SA}") + "+"
    return regex.compile(rf"(?<!_)(?:{words})|{emoji}|{complex_context}|{single}", regex.VERSION1)


_UNICODE: Any = _unicode_pattern()


def tokenize(text: str) -> list[str]:
    """The tokens of a text in order, as they are written."""
    pattern = _ASCII if text.isascii() else _UNICODE
    tokens: list[str] = pattern.findall(text)
    if len(text) <= MAX_TOKEN or max(map(len, tokens), default=0) <= MAX_TOKEN:
        return tokens
    return [piece for token in tokens for piece in (_pieces(pattern, token) if len(token) > MAX_TOKEN else (token,))]


def _pieces(pattern: Any, token: str) -> Iterator[str]:
    """Split a token that is too long, as Lucene does: its scanner reads 255 characters at a time."""
    start = 0
    while (match := pattern.search(token, start, start + MAX_TOKEN)) or start + MAX_TOKEN < len(token):
        if match:
            yield match.group()
        start = match.end() if match else start + MAX_TOKEN
