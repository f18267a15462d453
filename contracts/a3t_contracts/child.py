"""Starts a program that ends when its parent process dies. It is run as a file: child.py PARENT_PID PROGRAM ARGUMENT…

Linux sends a process a signal when its parent died (PR_SET_PDEATHSIG), whatever killed the parent. This file imports
only the standard library, so that it starts within a few milliseconds.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["bound"]

PR_SET_PDEATHSIG = 1


def bound(command: Sequence[str]) -> list[str]:
    """Return the command line that runs `command` and ends it when the calling process ends. This works on Linux only;
    on other systems `command` runs on."""
    return [sys.executable, "-I", str(Path(__file__)), str(os.getpid()), *command]


def main(parent: int, command: list[str]) -> None:
    """Ask Linux for SIGTERM at the parent's death, then replace this process by `command`."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent process has ended already")
    os.execvp(command[0], command)  # noqa: S606


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m a3t_contracts.child",
        description="Runs a program that gets SIGTERM when the parent process ends (Linux only). It reads no settings.",
    )
    parser.add_argument("parent", type=int, metavar="PARENT", help="process id of the parent")
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="PROGRAM ARGUMENT…", help="program to run, with its arguments"
    )
    return parser.parse_args()


if __name__ == "__main__":
    parsed = _arguments()
    main(parsed.parent, parsed.command)
