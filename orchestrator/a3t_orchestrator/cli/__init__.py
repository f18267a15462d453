"""The command line `a3t`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; see a3t_contracts.cli.guarded for the exit codes."""
    from a3t_contracts.cli import guarded

    from .root import build_root

    sys.exit(guarded(build_root()))
