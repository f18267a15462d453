"""The tokenizer of the service: cached encoding and incremental decoding."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from sys import getsizeof
from typing import Any

from tokenizers.decoders import DecodeStream
from transformers import AutoTokenizer

from a3t_contracts.byte_cache import ByteCache
from a3t_contracts.errors import InvalidInputError, NotFoundError, TooLargeError
from a3t_contracts.react import ChatFrame, History, chat_frame, encode_segments, leading_bos, render_history
from a3t_contracts.schemas import PromptStyle

from .token_bytes import TokenBytes
from .token_length import longest_token

__all__ = ["TextCodec"]

_CACHED_BYTES = 32 * 2**20
_CHARACTERS_A_TOKEN, _SPARE_TOKENS, _MOST_CUT = 8, 64, 2**20
_ID_BYTES = 40
"""Bytes of a token id in a list, for the reference and the number."""


class TextCodec:
    """Encodes prompts and decodes completions of one base model. Thread-safe.

    Token ids of texts are cached, because every turn of an episode contains all earlier observations and completions
    again.
    """

    def __init__(self, tokenizer: Any) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise InvalidInputError(
                "The base model's tokenizer has no fast (tokenizers) form.",
                hint="Add a tokenizer.json to the model's folder.",
            )
        self.tokenizer = tokenizer
        self.raw = tokenizer.backend_tokenizer
        self.bos_token_id: int | None = tokenizer.bos_token_id
        self.special_ids = frozenset(tokenizer.all_special_ids)
        self._cache: ByteCache[tuple[str, bool], list[int]] = ByteCache(
            _CACHED_BYTES, lambda key: self._encode_uncached(*key), _weight
        )
        self._longest = longest_token(self.raw)
        self.vocabulary = len(tokenizer)
        self.token_bytes = TokenBytes(self.raw)
        self.context: int | None = None
        """Largest number of tokens of prompt and completion together, if it is known. Texts whose length alone shows
        that they are too long are refused before they are encoded.
        """
        self._bos = leading_bos(self)

    @property
    def cached_bytes(self) -> int:
        """Size of the cached ids in bytes."""
        return self._cache.bytes

    @classmethod
    def load(cls, folder: str) -> TextCodec:
        """Load the codec of a model folder or hub id. Raises NotFoundError if it has no tokenizer."""
        try:
            return cls(AutoTokenizer.from_pretrained(folder))
        except (OSError, ValueError) as error:
            raise NotFoundError(
                f"No tokenizer can be loaded from {folder}: {error}.",
                hint="Name a folder or Hub id with a tokenizer.json.",
            ) from error

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Token ids of a text. The list is shared with other callers and must not be changed."""
        return self._cache.get((text, add_special_tokens))

    def prompt(self, text: str) -> list[int]:
        """Token ids of a client's prompt, after one BOS token if the base expects it. Raises TooLargeError for a
        prompt that cannot fit.
        """
        self.require_room(self._fewest(len(text)))
        return self._begun(self._encode_uncached(text, False))

    def prompt_end(self, text: str, count: int) -> list[int]:
        """The last `count` token ids of a client's prompt.

        Of a long text only the end is encoded, with enough text before the wanted ids that the cut does not change
        them; at most _MOST_CUT characters. Raises TooLargeError as `prompt` does if `count` is at least the context.
        """
        if self.context is not None and count >= self.context:
            return self.prompt(text)
        size = _CHARACTERS_A_TOKEN * (count + _SPARE_TOKENS)
        while size < min(len(text), _MOST_CUT):
            ids = self._encode_uncached(text[-size:], False)
            if len(ids) >= count + _SPARE_TOKENS:
                return ids[-count:]
            size *= 2
        if len(text) > _MOST_CUT:
            return self._encode_uncached(text[-_MOST_CUT:], False)[-count:]
        return self._begun(self._encode_uncached(text, False))[-count:]

    def _begun(self, ids: list[int]) -> list[int]:
        return ids if ids[: len(self._bos)] == self._bos else self._bos + ids

    def check(self, ids: Sequence[int]) -> None:
        """Raise InvalidInputError unless `ids` has at least one id and all ids are in the vocabulary."""
        if not ids:
            raise InvalidInputError("prompt: it has no tokens.", hint="Send at least one.")
        if min(ids) < 0 or max(ids) >= self.vocabulary:
            raise InvalidInputError(f"prompt: token ids must be between 0 and {self.vocabulary - 1}.")

    def rendered(self, text: str) -> list[int]:
        """Token ids of a prompt from a chat template, which contains its special tokens. Raises TooLargeError."""
        self.require_room(self._fewest(len(text)))
        return self._encode_uncached(text, False)

    @cached_property
    def frame(self) -> ChatFrame:
        """The texts that the base's chat template writes around an episode's texts. Raises InvalidInputError; see
        `chat_frame`.
        """
        return chat_frame(self.tokenizer)

    @cached_property
    def prompt_style(self) -> PromptStyle:
        """How the base reads a history: by its chat template if it has a suitable one, else as plain text."""
        if not getattr(self.tokenizer, "chat_template", None):
            return PromptStyle.plain
        try:
            return PromptStyle.chat if self.frame else PromptStyle.plain
        except InvalidInputError:
            return PromptStyle.plain

    def history(self, history: History) -> tuple[list[int], str]:
        """Token ids and text of the prompt of a history. Raises TooLargeError for a prompt that cannot fit,
        InvalidInputError if the history needs a chat template and the base has no suitable one.
        """
        segments = render_history(history, self.frame if history.prompt is PromptStyle.chat else None)
        generated = sum(len(segment.ids) for segment in segments if segment.ids is not None)
        self.require_room(generated + self._fewest(sum(len(s.text) for s in segments if s.ids is None)))
        return encode_segments(self, segments).ids, "".join(segment.text for segment in segments)

    def require_room(self, tokens: int) -> None:
        """Raise TooLargeError if a prompt of at least `tokens` tokens leaves no room for a completion."""
        if self.context is not None and tokens >= self.context:
            raise TooLargeError(
                f"The prompt has {tokens} tokens or more; prompt and completion together may have {self.context}.",
                hint="Shorten it, or raise A3T_POLICY_MAX_CONTEXT if the model allows it.",
            )

    def decode(self, ids: Sequence[int]) -> str:
        """Text of some ids, without special tokens."""
        return str(self.raw.decode(list(ids), skip_special_tokens=True))

    def token_text(self, token: int) -> str:
        """Text of one token alone; U+FFFD for a part of a character."""
        return self.token_bytes(token).decode("utf-8", "replace")

    def token_name(self, token: int) -> str:
        """Text of one token alone. For bytes that are not text, it has OpenAI's form `bytes:\\xe2\\x80`."""
        own = self.token_bytes(token)
        try:
            return own.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in own)

    def stream(self) -> DecodeStream:
        """An incremental decoder; call `step(codec.raw, id)` for each token."""
        return DecodeStream(skip_special_tokens=True)

    def _encode_uncached(self, text: str, add_special_tokens: bool) -> list[int]:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInputError(f"The text is not valid Unicode: {error}.") from error
        # A batch of one text, because the tokenizer lets other threads run only while it encodes a batch.
        return list(self.raw.encode_batch_fast([text], add_special_tokens=add_special_tokens)[0].ids)

    def _fewest(self, characters: int) -> int:
        """Smallest number of tokens that a text of this many characters can have; 0 if the tokenizer gives no bound."""
        return 0 if self._longest is None else -(-characters // self._longest)


def _weight(key: tuple[str, bool], ids: list[int]) -> int:
    return getsizeof(key) + getsizeof(key[0]) + getsizeof(ids) + _ID_BYTES * len(ids)
