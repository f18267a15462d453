"""Turns a rendered episode into token ids, for the policy's prompts and for the trainer's sequences.

Each segment is tokenised on its own, without special tokens, and the ids are joined. Generated ids are used as they
are. So the ids of a prompt are always a prefix of the ids of the finished episode.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from .format import Segment

__all__ = ["EncodedEpisode", "SegmentTokenizer", "TokenKind", "encode_segments", "leading_bos"]

TokenKind = Literal["bos", "preamble", "observation", "completion", "end"]


class SegmentTokenizer(Protocol):
    """The methods that a tokenizer must have; tokenizers of transformers have them."""

    @property
    def bos_token_id(self) -> int | None:
        """Id of the token that begins a text; None where the tokenizer has none."""

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Return the ids of a text."""


@dataclass(frozen=True, slots=True)
class EncodedEpisode:
    """Token ids of an episode; the three lists are equally long."""

    ids: list[int]
    kinds: list[TokenKind]
    segment_of: list[int]
    """Index into the segments for each token; −1 for the BOS token."""

    def __len__(self) -> int:
        return len(self.ids)


def leading_bos(tokenizer: SegmentTokenizer) -> list[int]:
    """Return the BOS id in a list if the base expects it at the start of a text, else an empty list.

    Some tokenizers have a BOS token but do not use it (GPT-2, Qwen). What counts is whether the tokenizer puts it in
    front when it adds special tokens.
    """
    bos = tokenizer.bos_token_id
    if bos is None or tokenizer.encode("", add_special_tokens=True)[:1] != [bos]:
        return []
    return [bos]


def encode_segments(tokenizer: SegmentTokenizer, segments: Sequence[Segment]) -> EncodedEpisode:
    """Encode segments and join their ids, with BOS once in front where the base wants it (`leading_bos`)."""
    ids = leading_bos(tokenizer)
    kinds: list[TokenKind] = ["bos"] * len(ids)
    segment_of = [-1] * len(ids)
    for index, segment in enumerate(segments):
        new = tokenizer.encode(segment.text, add_special_tokens=False) if segment.ids is None else segment.ids
        ids.extend(new)
        kinds.extend([segment.kind] * len(new))
        segment_of.extend([index] * len(new))
    return EncodedEpisode(ids, kinds, segment_of)
