"""Failures of the machine in plain words."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from a3t_contracts.errors import A3TError, Problem

__all__ = ["problem_of", "telling_full_disk"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def problem_of(error: BaseException) -> Problem:
    """Why a job failed, as a problem document."""
    if isinstance(error, A3TError):
        return error.problem()
    if isinstance(error, OSError) and error.errno in _FULL:
        return _disk_is_full(error).problem()
    if type(error).__name__ in ("OutOfMemoryError", "MemoryError"):
        hint = "Lower tokens_per_batch, turn on gradient_checkpointing, or use nf4."
        reason = (str(error).splitlines() or ["the allocation failed"])[0]
        return A3TError(f"Out of memory: {reason}", hint=hint).problem()
    return A3TError(f"The training process failed: {type(error).__name__}: {error}").problem()


@contextmanager
def telling_full_disk() -> Iterator[None]:
    """Raise an A3TError that says so where the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise _disk_is_full(error) from error


def _disk_is_full(error: OSError) -> A3TError:
    where = f" ({error.filename})" if error.filename else ""
    return A3TError(f"The disk is full: {error.strerror}{where}.", hint="Make room and try again.")
