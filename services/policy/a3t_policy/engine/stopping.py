"""Decides when a completion ends, from the text generated so far."""

from __future__ import annotations

from tokenizers.decoders import DecodeStream

from a3t_contracts.react import turn_end

from ..text import TextCodec

__all__ = ["TextTail"]


class TextTail:
    """The text of a growing completion. A stop string cuts the text. With `act`, generation ends at the token that
    contains the end of the agent's turn.
    """

    def __init__(self, codec: TextCodec, stop: tuple[str, ...], act: bool) -> None:
        self._raw = codec.raw
        self._stream: DecodeStream = codec.stream()
        self._stop, self._act = stop, act
        self._longest = max((len(s) for s in stop), default=0)
        self.text = ""
        self.sent = 0
        self.stopped_by: str | None = None

    def push(self, token: int) -> str:
        """Add a token and return the text that it added, which may be empty. Sets `stopped_by` at the end."""
        piece: str = self._stream.step(self._raw, token) or ""
        if piece:
            before = len(self.text)
            self.text += piece
            self._judge(before, piece)
        return piece

    def certain(self) -> str:
        """Text that was not returned yet and that no later token can remove."""
        end = len(self.text)
        if self.stopped_by is None and self._longest:
            end -= self._undecided()
        piece = self.text[self.sent : end]
        self.sent = max(self.sent, end)
        return piece

    def finish(self, whole: str) -> None:
        """Add the text that the incremental decoder held back, now that the text of all tokens is known."""
        if self.stopped_by in (None, "eos", "turn") and whole.startswith(self.text):
            self.text = whole

    def _judge(self, before: int, piece: str) -> None:
        if self._act and ("\n" in piece or ":" in piece) and turn_end(self.text) is not None:
            self.stopped_by = "turn"
        found = [(at, s) for s in self._stop if (at := self.text.find(s, max(0, before - self._longest + 1))) >= 0]
        if found:
            at, self.stopped_by = min(found)
            self.text = self.text[:at]

    def _undecided(self) -> int:
        """Length of the longest end of the text that could be the beginning of a stop string."""
        tail = self.text[-(self._longest - 1) :] if self._longest > 1 else ""
        for size in range(len(tail), 0, -1):
            if any(s.startswith(tail[-size:]) for s in self._stop):
                return size
        return 0
