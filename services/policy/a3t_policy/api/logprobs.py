"""Log-probabilities of tokens in OpenAI's form."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from typing import Any

from ..generation import TokenInfo
from ..text import TextCodec

__all__ = ["TextOffsets", "chat_logprobs", "text_logprobs"]

_PART = re.compile(r"bytes:(\\x[0-9a-f]{2})+")


class TextOffsets:
    """Offset of each token in a completion's text, in characters. A token that begins within a character has the
    character's offset."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._at = 0

    def next(self, token: bytes) -> int:
        """The offset of the next token."""
        if token and token[0] & 0xC0 != 0x80:  # a new character begins, so the pending bytes stay a broken one
            self._at += len(self._decoder.decode(b"", final=True))
        at = self._at
        self._at += len(self._decoder.decode(token))
        return at


def chat_logprobs(codec: TextCodec, tokens: Sequence[TokenInfo], top: int) -> dict[str, Any]:
    """The `logprobs` of a chat choice: each token with its bytes, and the `top` most likely tokens in its place."""

    def entry(name: str, own: bytes, logprob: float) -> dict[str, Any]:
        return {"token": name, "logprob": logprob, "bytes": list(own)}

    rows = []
    for t in tokens:
        likely = [entry(name, _named(name), p) for name, p in _likely(codec, t, top)]
        rows.append(entry(codec.token_name(t.id), codec.token_bytes(t.id), t.logprob) | {"top_logprobs": likely})
    return {"content": rows, "refusal": None}


def text_logprobs(codec: TextCodec, tokens: Sequence[TokenInfo], top: int, offsets: TextOffsets) -> dict[str, Any]:
    """The `logprobs` of a text choice. `top_logprobs` also has the sampled token, even if it is not one of the most
    likely."""
    rows = []
    for token in tokens:
        likely = dict(_likely(codec, token, top))
        rows.append(likely | {codec.token_name(token.id): token.logprob})
    return {
        "tokens": [codec.token_name(token.id) for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": rows,
        "text_offset": [offsets.next(b"" if t.special else codec.token_bytes(t.id)) for t in tokens],
    }


def _likely(codec: TextCodec, token: TokenInfo, count: int) -> list[tuple[str, float]]:
    """Names and log-probabilities of the `count` most likely tokens at this position, the most likely first."""
    if token.top_names:
        return sorted(token.top_names, key=lambda named: -named[1])[:count]
    return [(codec.token_name(i), p) for i, p in token.top[:count]]


def _named(name: str) -> bytes:
    """The bytes of a token from its name; see `TextCodec.token_name`."""
    return bytes.fromhex(name[6:].replace("\\x", "")) if _PART.fullmatch(name) else name.encode("utf-8", "replace")
