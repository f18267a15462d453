"""The longest text that one token can stand for. It gives a lower bound for the number of tokens of a text before it
is tokenised.
"""

from __future__ import annotations

import json
from typing import Any

from tokenizers.pre_tokenizers import ByteLevel

__all__ = ["longest_token"]

_BYTE_TOKENS = frozenset(f"<0x{byte:02X}>" for byte in range(256))


def longest_token(raw: Any) -> int | None:
    """Largest number of bytes of text that one token of a tokenizer (of the tokenizers library) can stand for.

    None for a tokenizer that may drop text, or whose tokens may stand for more text than their own; the length of a
    text then gives no bound.
    """
    parts, vocabulary = json.loads(raw.to_str()), raw.get_vocab(with_added_tokens=True)
    steps = [*_steps(parts["normalizer"], "normalizers"), *_steps(parts["pre_tokenizer"], "pretokenizers")]
    keeps_all = (
        parts["truncation"] is None
        and parts["model"].get("type") == "BPE"
        and all(_keeps_text(step) for step in steps)
        and _knows_every_byte(parts["model"], steps, vocabulary)
        and not any(token["lstrip"] or token["rstrip"] for token in parts["added_tokens"])
    )
    return max(len(token.encode()) for token in vocabulary) if keeps_all else None


def _steps(part: dict[str, Any] | None, inner: str) -> list[dict[str, Any]]:
    """A normaliser or pre-tokenizer as the list of its steps."""
    if part is None:
        return []
    if part["type"] != "Sequence":
        return [part]
    return [step for each in part[inner] for step in _steps(each, inner)]


def _keeps_text(step: dict[str, Any]) -> bool:
    """Whether a step keeps every byte of the text as one byte or more."""
    kind = step["type"]
    if kind == "Replace":
        pattern = step["pattern"].get("String")
        return pattern is not None and len(step["content"].encode()) >= len(pattern.encode())
    if kind == "Split":
        return bool(step["behavior"] != "Removed")
    return kind in ("ByteLevel", "Digits", "Metaspace", "Prepend")


def _knows_every_byte(model: dict[str, Any], steps: list[dict[str, Any]], vocabulary: dict[str, int]) -> bool:
    """Whether the model has a token for every byte. Otherwise unknown text is dropped or becomes one token of any
    length."""
    if model.get("byte_fallback"):
        return vocabulary.keys() >= _BYTE_TOKENS
    return any(step["type"] == "ByteLevel" for step in steps) and vocabulary.keys() >= set(ByteLevel.alphabet())
