"""Runs work on a batch so that a member that fails is taken out and the others go on."""

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
    """Call `work` with all members, and where it raises with each half of them, down to the member that fails alone.

    `work` must change nothing before it can no longer raise, since it is called again for the same members.
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
