"""The tokenizer as the service uses it: cached encoding, incremental decoding."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from tokenizers.decoders import DecodeStream
from transformers import AutoTokenizer

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.react import History, encode_segments, leading_bos, render_history

from .token_bytes import TokenBytes

__all__ = ["TextCodec"]

_CACHED_SEGMENTS = 16384


class TextCodec:
    """Encodes prompts and decodes completions of one base model. Safe to share between threads.

    Observations and completions come again in every later turn of an episode, so the ids of a text are cached.
    """

    def __init__(self, tokenizer: Any) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise InvalidInputError(
                "The base model's tokenizer has no fast (tokenizers) form.", hint="Ship a tokenizer.json with it."
            )
        self.tokenizer = tokenizer
        self.raw = tokenizer.backend_tokenizer
        self.bos_token_id: int | None = tokenizer.bos_token_id
        self.special_ids = frozenset(tokenizer.all_special_ids)
        self._encode = lru_cache(maxsize=_CACHED_SEGMENTS)(self._encode_uncached)
        self.vocabulary = len(tokenizer)
        self.token_bytes = TokenBytes(self.raw)
        self._bos = leading_bos(self)

    @classmethod
    def load(cls, folder: str) -> TextCodec:
        """The codec of a model folder or hub id. Raises NotFoundError where there is no tokenizer."""
        try:
            return cls(AutoTokenizer.from_pretrained(folder))
        except (OSError, ValueError) as error:
            raise NotFoundError(f"No tokenizer can be loaded from {folder}: {error}") from error

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Ids of a text. The list is shared: do not change it."""
        return self._encode(text, add_special_tokens)

    def prompt(self, text: str) -> list[int]:
        """Ids of a free prompt, with BOS in front where the base wants it (not twice)."""
        ids = self._encode_uncached(text, False)
        return ids if ids[: len(self._bos)] == self._bos else self._bos + ids

    def check(self, ids: Sequence[int]) -> None:
        """Raises InvalidInputError unless ids are a prompt: some, and each in the vocabulary."""
        if not ids:
            raise InvalidInputError("prompt: it has no tokens.", hint="Send at least one.")
        if min(ids) < 0 or max(ids) >= self.vocabulary:
            raise InvalidInputError(f"prompt: token ids lie between 0 and {self.vocabulary - 1}.")

    def history(self, history: History) -> tuple[list[int], str]:
        """Ids and text of the prompt of a history."""
        segments = render_history(history)
        return encode_segments(self, segments).ids, "".join(segment.text for segment in segments)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, special tokens left out."""
        return str(self.raw.decode(list(ids), skip_special_tokens=True))

    def token_text(self, token: int) -> str:
        """Text of one token on its own; U+FFFD for a part of a character."""
        return self.token_bytes(token).decode("utf-8", "replace")

    def token_name(self, token: int) -> str:
        """Text of one token on its own, or its bytes as OpenAI writes those that are no text: `bytes:\\xe2\\x80`."""
        own = self.token_bytes(token)
        try:
            return own.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in own)

    def stream(self) -> DecodeStream:
        """An incremental decoder; feed it with `step(codec.raw, id)`."""
        return DecodeStream(skip_special_tokens=True)

    def _encode_uncached(self, text: str, add_special_tokens: bool) -> list[int]:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInputError(f"The text is not valid Unicode: {error}.") from error
        return list(self.raw.encode(text, add_special_tokens=add_special_tokens).ids)
