"""`python -m a3t_policy`: serve with settings from the environment."""

from __future__ import annotations

import sys

from a3t_contracts.cli import guarded
from a3t_contracts.service import serve

from .app import create_app
from .engine.exact import ask_for_exact_rows
from .settings import PolicySettings


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    ask_for_exact_rows()
    settings = PolicySettings()
    serve(create_app(settings), settings, "policy")


if __name__ == "__main__":
    sys.exit(guarded(main))
