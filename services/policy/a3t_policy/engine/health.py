"""Counts failed forward passes of each version, for `GET /ready`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["PassHealth"]

_LIMIT = 3
"""A version counts as broken after this number of failed passes in a row. A single pass may fail for lack of memory."""


class PassHealth:
    """Counts the failed passes of each version since its last successful one. Written by the engine's thread, read by
    any thread."""

    def __init__(self) -> None:
        self._failed: dict[int, tuple[int, str]] = {}

    @contextmanager
    def watch(self, version: int) -> Iterator[None]:
        """Record whether the pass inside the block fails."""
        try:
            yield
        except Exception as error:
            count, _ = self._failed.get(version, (0, ""))
            self._failed[version] = count + 1, f"{type(error).__name__}: {error}"
            raise
        self._failed.pop(version, None)

    def broken(self, version: int) -> bool:
        """Whether the last `_LIMIT` passes of the version all failed."""
        return self._failed.get(version, (0, ""))[0] >= _LIMIT

    def reason(self, version: int) -> str:
        """How many passes failed in a row, and why the last one did."""
        count, reason = self._failed.get(version, (0, ""))
        return f"its last {count} passes failed ({reason})"

    def forget(self, version: int) -> None:
        """Delete the count of a version that was unloaded."""
        self._failed.pop(version, None)
