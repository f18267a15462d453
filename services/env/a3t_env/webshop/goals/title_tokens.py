"""Splits a title into tokens like spaCy's English tokenizer, but without spaCy, whose import takes seconds.

Text is split at blanks. Then punctuation, symbols, `'s` and units after digits are cut off both ends repeatedly. What
remains is split at hyphens, slashes, colons, commas and dots within it. Contractions and emoticons are not handled:
they are rare in titles and rarely change the nouns.
"""

from __future__ import annotations

from typing import Any

import regex  # type: ignore[import-untyped]

__all__ = ["title_tokens"]

_QUOTES = "'\"”“`‘´’‚„»«「」『』（）〔〕【】《》〈〉⟦⟧"
_PUNCTUATION = r"…,:;!?¿؟¡()\[\]{}<>_#*&。？！，、；：～·।،۔؛٪" + _QUOTES
_CURRENCY = r"\p{Sc}"
_SYMBOLS = r"\p{So}"
_UNITS = (
    "km|km²|km³|m|m²|m³|dm|dm²|dm³|cm|cm²|cm³|mm|mm²|mm³|ha|µm|nm|yd|in|ft|kg|g|mg|µg|t|lb|oz|m/s|km/h|kmh|mph|hPa|Pa"
    "|mbar|mb|MB|kb|KB|gb|GB|tb|TB|T|G|M|K|%"
)
_ABBREVIATIONS = frozenset(
    (
        "Adm.",
        "Bros.",
        "Co.",
        "Corp.",
        "D.C.",
        "Dr.",
        "Gen.",
        "Gov.",
        "Inc.",
        "Jr.",
        "Ltd.",
        "Messrs.",
        "Mr.",
        "Mrs.",
        "Ms.",
        "Mt.",
        "Prof.",
        "Rep.",
        "Rev.",
        "Sen.",
        "St.",
        "e.g.",
        "i.e.",
        "a.m.",
        "p.m.",
        "vs.",
        "v.s.",
        "Jan.",
        "Feb.",
        "Mar.",
        "Apr.",
        "Jun.",
        "Jul.",
        "Aug.",
        "Sep.",
        "Sept.",
        "Oct.",
        "Nov.",
        "Dec.",
    )
)

_PREFIX: Any = regex.compile(rf"(?:US|C|A)\$|[§%=—–{_PUNCTUATION}{_CURRENCY}{_SYMBOLS}]|\+(?![0-9])|\.\.+")
_SUFFIX: Any = regex.compile(
    rf"(?:['’][sS]|[—–{_PUNCTUATION}{_SYMBOLS}]|\.\.+|(?<=[0-9])\+|(?<=[0-9]){_CURRENCY}|(?<=[0-9])(?:{_UNITS})"
    rf"|(?<=°[FfCcKk])\.|(?<=[0-9\p{{Ll}}%²\-+{_QUOTES}])\.|(?<=\p{{Lu}}\p{{Lu}})\.)$"
)
_INFIX: Any = regex.compile(
    rf"\.\.+|…|{_SYMBOLS}|(?<=[0-9])[+\-*^](?=[0-9-])|(?<=[\p{{Ll}}{_QUOTES}])\.(?=[\p{{Lu}}{_QUOTES}])"
    r"|(?<=\p{L}),(?=\p{L})|(?<=[\p{L}0-9])(?:---|--|——|[-–—~])(?=\p{L})|(?<=[\p{L}0-9])[:<>=/](?=\p{L})"
)
_CLOCK: Any = regex.compile(r"(1[0-2]|[1-9])(am|pm|a\.m\.|p\.m\.)")
_ADDRESS: Any = regex.compile(r"(?:[a-z]+://|www\.)?[\w-]+(?:\.[\w-]+)*\.(?:com|net|org|co|io|uk|us|de)(?:[/:]\S*)?")


def title_tokens(title: str) -> list[str]:
    """The tokens of a title, punctuation included."""
    return [token for piece in title.split() for token in _cut(piece)]


def _cut(piece: str) -> list[str]:
    head: list[str] = []
    tail: list[str] = []
    while piece and not _whole(piece):
        before = piece
        if found := _PREFIX.match(piece):
            head.append(found.group())
            piece = piece[found.end() :]
        if piece and not _whole(piece) and (found := _SUFFIX.search(piece)):
            tail.append(found.group())
            piece = piece[: found.start()]
        if piece == before:
            break
    return head + _inside(piece) + tail[::-1]


def _whole(piece: str) -> bool:
    return piece in _ABBREVIATIONS


def _inside(piece: str) -> list[str]:
    if not piece or _whole(piece) or _ADDRESS.fullmatch(piece):
        return [piece] if piece else []
    if clock := _CLOCK.fullmatch(piece):
        return list(clock.groups())
    tokens, start = [], 0
    for found in _INFIX.finditer(piece):
        if found.start() > start:
            tokens.append(piece[start : found.start()])
        tokens.append(found.group())
        start = found.end()
    return tokens + ([piece[start:]] if start < len(piece) else [])
