"""Logs the failed sequences of a step together, because one defect usually makes all of them fail with the same
traceback.
"""

from __future__ import annotations

from collections import defaultdict

from a3t_contracts.logging import get_logger

from .sequence import Sequence

__all__ = ["Failures"]

log = get_logger(__name__)


class Failures:
    """Collects failures until they are logged. Not thread-safe; used by the engine's thread."""

    def __init__(self) -> None:
        self._gathered: list[tuple[Sequence, Exception]] = []

    def add(self, sequence: Sequence, error: Exception) -> None:
        """Record why a sequence failed."""
        self._gathered.append((sequence, error))

    def log(self) -> None:
        """Log one line and one traceback for all failures at the same place of the code."""
        if not self._gathered:
            return
        kinds: defaultdict[object, list[tuple[Sequence, Exception]]] = defaultdict(list)
        for sequence, error in self._gathered:
            kinds[_place(error)].append((sequence, error))
        self._gathered = []
        for failures in kinds.values():
            versions = sorted({sequence.version_name for sequence, _ in failures})
            log.error("engine.sequences_failed", count=len(failures), versions=versions, exc_info=failures[0][1])


def _place(error: Exception) -> tuple[object, ...]:
    """The type of an error and where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return (type(error),) if trace is None else (type(error), trace.tb_frame.f_code, trace.tb_lineno)
