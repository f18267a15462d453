"""Explains errors of the machine (memory, disk, GPU) in plain words."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from a3t_contracts.errors import A3TError, DiskFullError, Problem

__all__ = ["full_disk", "problem_of", "telling_full_disk"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_OS_ERROR = re.compile(r"\(os error (\d+)\)")
"""The text with which Rust libraries (safetensors, tokenizers) report an errno."""


def problem_of(error: BaseException) -> Problem:
    """The reason why a job failed, as a problem document."""
    if isinstance(error, A3TError):
        return error.problem()
    if (full := full_disk(error)) is not None:
        return full.problem()
    if type(error).__name__ in ("OutOfMemoryError", "MemoryError"):
        hint = "Lower tokens_per_batch, turn on gradient_checkpointing, or use nf4."
        reason = (str(error).splitlines() or ["the allocation failed"])[0]
        return A3TError(f"Out of memory: {reason}", hint=hint).problem()
    return A3TError(f"The training process failed: {type(error).__name__}: {error}").problem()


def full_disk(error: BaseException) -> DiskFullError | None:
    """Return a DiskFullError for an error that means a full disk, whatever its wording; None for any other error."""
    said = _OS_ERROR.search(str(error))
    number = error.errno if isinstance(error, OSError) else int(said[1]) if said else None
    if number not in _FULL:
        return None
    return _disk_is_full(error if isinstance(error, OSError) else OSError(number, os.strerror(number)))


@contextmanager
def telling_full_disk() -> Iterator[None]:
    """Turn errors that mean a full disk into DiskFullError."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise _disk_is_full(error) from error


def _disk_is_full(error: OSError) -> DiskFullError:
    where = f" ({error.filename})" if error.filename else ""
    return DiskFullError(f"The disk is full: {error.strerror}{where}.", hint="Make room and try again.", retry_after=5)
