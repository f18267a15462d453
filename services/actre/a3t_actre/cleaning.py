"""Extracts the reason from an LLM's completion, or says why there is none."""

from __future__ import annotations

import re

__all__ = ["UnusableReason", "clean_reason"]

_LABEL = re.compile(r"^\W*(?:reason(?: for (?:the|this) action)?|thought|answer)\s*:\s*", re.IGNORECASE)
_NEXT_PART = re.compile(
    r"\b(?:observation|action|reason(?: for (?:the|this) action)?|thought|task|user|assistant)\s*\d*\s*:", re.IGNORECASE
)
_COMMAND = re.compile(r"\b(?:search|click|think)\[[^\]]*\]?\s*$", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?…](?=[\"')\]]*(?:\s|$))")
_GARBLED = re.compile(r"[\ufffd\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|<\|[^|]*\|>|</?s>")
_WORD = re.compile(r"[^\W\d_]{2,}")
_PARROT_WORDS = 12


class UnusableReason(Exception):
    """A completion without a usable reason. `cause` is one of empty, garbled, leak, long, loop, parrot."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


def clean_reason(text: str, *, action: str, prompt: str, whole: bool, max_words: int) -> str:
    """Return the reason in a completion, as one line.

    Removes labels, quotes and brackets, and everything after the point where the completion continues the episode. If
    the text is too long, or the token limit cut it (`whole` false), it is cut after a sentence.

    Raises:
        UnusableReason: nothing remains (empty; leak if it began with the next part of the episode), characters are
            unreadable (garbled), no sentence ends within the limit (long), it repeats itself (loop), or it copies a
            long piece of the prompt (parrot).
    """
    bare = _LABEL.sub("", text.strip()).strip()
    if _GARBLED.search(bare):
        raise UnusableReason("garbled")
    own = _own_part(bare)
    reason = _shorten(_unwrap(own), whole or own != bare, max_words)
    if len(_WORD.findall(reason)) < 2:
        raise UnusableReason("leak" if own != bare else "empty")
    if _same(reason, action):
        raise UnusableReason("leak")
    if _loops(reason):
        raise UnusableReason("loop")
    if _parrots(reason, prompt):
        raise UnusableReason("parrot")
    return reason


def _own_part(text: str) -> str:
    """Return the first paragraph, up to the start of the next part of an episode."""
    first = re.split(r"\n\s*\n", text, maxsplit=1)[0]
    match = _NEXT_PART.search(first)
    part = first[: match.start()] if match else first
    return _COMMAND.sub("", part) if match or part != text else part


def _unwrap(text: str) -> str:
    """Return the text on one line, without the quotes, brackets or asterisks around it."""
    line = " ".join(text.split())
    pairs = {'"': '"', "'": "'", "[": "]", "(": ")", "*": "*", "`": "`", "“": "”"}
    while len(line) > 1 and pairs.get(line[0]) == line[-1]:
        line = line[1:-1].strip()
    return line.lstrip("[>-*• ")


def _shorten(line: str, whole: bool, max_words: int) -> str:
    words = line.split(" ")
    if whole and len(words) <= max_words:
        return line
    kept = " ".join(words[:max_words])
    ends = [match.end() for match in _SENTENCE_END.finditer(kept)]
    if not ends:
        raise UnusableReason("long")
    return kept[: ends[-1]]


def _same(reason: str, action: str) -> bool:
    return _folded(reason) == _folded(action)


def _loops(reason: str) -> bool:
    """Whether a sequence of four words occurs three times."""
    words = _folded(reason).split()
    runs = [tuple(words[i : i + 4]) for i in range(len(words) - 3)]
    return any(runs.count(run) >= 3 for run in set(runs))


def _parrots(reason: str, prompt: str) -> bool:
    folded = _folded(reason)
    return len(folded.split()) >= _PARROT_WORDS and f" {folded} " in f" {_folded(prompt)} "


def _folded(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
