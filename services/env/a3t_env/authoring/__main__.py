"""`python -m a3t_env.authoring`: the commands of `a3t env` if only this package is installed."""

from __future__ import annotations

import sys

from a3t_contracts.cli import guarded

from .cli import app

if __name__ == "__main__":
    sys.exit(guarded(app))
