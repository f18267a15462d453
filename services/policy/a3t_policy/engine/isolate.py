"""Runs work on a batch. Members that make it fail are taken out, and the work continues with the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["isolate"]

MemberT = TypeVar("MemberT")


def isolate(
    members: Sequence[MemberT],
    work: Callable[[Sequence[MemberT]], None],
    failed: Callable[[MemberT, Exception], None],
) -> None:
    """Call `work` with all members. If it raises, call it with each half, and so on down to single members.

    A single member for which `work` raises is passed to `failed`. `work` may be called several times for the same
    members, so it must not change anything before the point where it can no longer raise.
    """
    if not members:
        return
    try:
        work(members)
    except Exception as error:
        if len(members) == 1:
            failed(members[0], error)
            return
        middle = len(members) // 2
        isolate(members[:middle], work, failed)
        isolate(members[middle:], work, failed)
