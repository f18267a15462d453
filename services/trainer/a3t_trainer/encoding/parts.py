"""Splits the tokens of a completion into thought and action."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react import ChatFrame, Segment, chat_frame

__all__ = ["PartSplitter"]

_ACTION_LINE = re.compile(r"^Action:", re.MULTILINE)


class PartSplitter:
    """Splits completions into thought and action, and caches the results, because many turns are equal.

    Args:
        tokenizer: tokenizer of the base model (transformers).
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._vocabulary = len(tokenizer)
        self._seen: dict[tuple[str, tuple[int, ...]], int] = {}

    @cached_property
    def frame(self) -> ChatFrame:
        """The texts that the base's chat template writes around an episode's texts. Raises InvalidInputError; see
        `chat_frame`.
        """
        return chat_frame(self.tokenizer)

    def thought_tokens(self, segment: Segment, ids: tuple[int, ...], trajectory_id: str) -> int:
        """Number of the completion's tokens that belong to the thought. A token across the border belongs to the
        action.

        Raises InvalidInputError if the generated ids are not the tokens of the text, because they come from another
        tokenizer.
        """
        key = (segment.text, ids)
        if key not in self._seen:
            if segment.ids is not None:
                self._check(segment, ids, trajectory_id)
            self._seen[key] = self.split(segment.text, ids)
        return self._seen[key]

    def split(self, text: str, ids: tuple[int, ...]) -> int:
        """Number of a completion's ids that belong to the thought, which stands before the action line."""
        found = _ACTION_LINE.search(text)
        if found is None:
            return len(ids)
        thought = text[: found.start()]
        return self._prefix_tokens(thought, ids) if thought else 0

    def _check(self, segment: Segment, ids: tuple[int, ...], trajectory_id: str) -> None:
        inside = all(0 <= i < self._vocabulary for i in ids)
        if not inside or self._decode(ids).strip() != segment.text.strip():
            raise InvalidInputError(
                f"Step {segment.turn} of trajectory {trajectory_id}: its completion_ids do not decode to its text "
                "with the base model's tokenizer.",
                hint="Train the base that generated them, or upload the trajectory without completion_ids.",
            )

    def _prefix_tokens(self, prefix: str, ids: tuple[int, ...]) -> int:
        """The largest number of leading ids whose text lies within `prefix`, by bisection."""
        low, high = 0, len(ids)
        length = len(prefix.rstrip())
        while low < high:
            middle = (low + high + 1) // 2
            if len(self._decode(ids[:middle]).rstrip()) <= length:
                low = middle
            else:
                high = middle - 1
        return low

    def _decode(self, ids: tuple[int, ...]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))
