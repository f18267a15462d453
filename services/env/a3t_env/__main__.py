"""`python -m a3t_env`: serve with the settings of the environment."""

from __future__ import annotations

import sys

from a3t_contracts.cli import guarded
from a3t_contracts.service import serve

from .app import create_app
from .settings import EnvSettings
from .workers import serve_workers


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    settings = EnvSettings()
    if settings.env_workers > 1:
        serve_workers(settings)
    else:
        serve(create_app(settings), settings, "env")


if __name__ == "__main__":
    sys.exit(guarded(main))
