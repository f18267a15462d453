"""Becomes another program that ends when its parent does. Run as a file: child.py PARENT_PID PROGRAM ARGUMENT…

Linux tells a process that its parent died (PR_SET_PDEATHSIG), whatever killed the parent. Standard library only, so
that it costs a few milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["bound"]

PR_SET_PDEATHSIG = 1


def bound(command: Sequence[str]) -> list[str]:
    """The command to start instead of `command`, so that it ends when this process does."""
    return [sys.executable, "-I", str(Path(__file__)), str(os.getpid()), *command]


def main(parent: int, command: list[str]) -> None:
    """Ask for SIGTERM at the parent's death, then become `command`."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone")
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
