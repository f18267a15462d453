"""Tokens in TGI's form: the texts of all tokens, joined, are the generated text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..generation import TokenInfo
from ..text import TextCodec

__all__ = ["token_entry", "token_rows", "top_rows"]


def token_rows(tokens: Sequence[TokenInfo], text: str) -> list[dict[str, Any]]:
    """The tokens of a finished completion, cut where its text ends: at a stop sequence, or within a token."""
    rows, at = [], 0
    for n, token in enumerate(tokens, 1):
        end = at + len(token.text) if n < len(tokens) else len(text)
        rows.append(token_entry(token, text[at:end]))
        at = min(end, len(text))
    return rows


def token_entry(token: TokenInfo, text: str) -> dict[str, Any]:
    """A token with the text that it added."""
    return {"id": token.id, "text": text, "logprob": token.logprob, "special": token.special}


def top_rows(codec: TextCodec, token: TokenInfo, count: int) -> list[dict[str, Any]]:
    """The `count` most likely tokens at this position."""
    return [
        {"id": i, "text": codec.token_text(i), "logprob": p, "special": i in codec.special_ids}
        for i, p in token.top[:count]
    ]
