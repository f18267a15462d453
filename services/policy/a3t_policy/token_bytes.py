"""The bytes of each token of a vocabulary."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

__all__ = ["TokenBytes"]

_BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")


class TokenBytes:
    """Bytes of a token by its id; the bytes of a text's tokens, joined, are the text.

    Decoding single tokens would not give this: parts of a character become U+FFFD, and SentencePiece decoders drop a
    leading space.
    """

    def __init__(self, raw: Any) -> None:
        """`raw` is a tokenizer of the tokenizers library."""
        self._raw = raw
        self._added = {token_id: token.content for token_id, token in raw.get_added_tokens_decoder().items()}
        steps = _steps(raw.decoder)
        self._byte_level = any(step["type"] == "ByteLevel" for step in steps)
        self._byte_tokens = any(step["type"] == "ByteFallback" for step in steps)
        self._space = next((mark for step in steps if (mark := _space_mark(step))), None)

    def __call__(self, token: int) -> bytes:
        """The token's bytes; empty for an id that is not in the vocabulary."""
        if token in self._added:
            return str(self._added[token]).encode()
        piece = self._raw.id_to_token(token)
        if piece is None:
            return b""
        if self._byte_level:
            table = _byte_of_character()
            return bytes(table[c] for c in piece) if all(c in table for c in piece) else str(piece).encode()
        if self._byte_tokens and (one := _BYTE_TOKEN.fullmatch(piece)):
            return bytes([int(one[1], 16)])
        if self._space is not None:
            return str(piece).replace(self._space, " ").encode()
        return str(self._raw.decode([token], skip_special_tokens=False)).encode()


def _steps(decoder: Any) -> list[dict[str, Any]]:
    """The parts of a tokenizer's decoder, from its JSON."""
    if decoder is None:
        return []
    state = json.loads(decoder.__getstate__())
    return list(state["decoders"]) if state["type"] == "Sequence" else [state]


def _space_mark(step: dict[str, Any]) -> str | None:
    """The character that stands for a space, if this part of the decoder replaces one."""
    if step["type"] == "Metaspace":
        return str(step["replacement"])
    if step["type"] == "Replace" and step["content"] == " " and "String" in step["pattern"]:
        return str(step["pattern"]["String"])
    return None


@lru_cache(maxsize=1)
def _byte_of_character() -> dict[str, int]:
    """The alphabet of byte-level BPE (GPT-2): printable bytes stand for themselves, others for U+0100 and up."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(plain)]
    return {chr(byte): byte for byte in plain} | {chr(0x100 + n): byte for n, byte in enumerate(others)}
