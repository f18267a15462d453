"""`python -m a3t_env.cli`: the commands of `a3t data` if only this package is installed (in the env container)."""

from __future__ import annotations

import sys

from a3t_contracts.cli import guarded

from .mount import app

if __name__ == "__main__":
    sys.exit(guarded(app))
