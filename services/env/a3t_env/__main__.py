"""`python -m a3t_env`: serve with settings from the environment."""

from __future__ import annotations

import sys

from a3t_contracts.cli import guarded
from a3t_contracts.program import settings_of_program

from .settings import EnvSettings

_ABOUT = (
    "Serves the installed environments over HTTP until it is stopped. Tasks are part of an environment, or made by "
    "`a3t data`, or `python -m a3t_env.cli` where only this package is installed."
)


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    settings = settings_of_program("python -m a3t_env", _ABOUT, EnvSettings)
    # Only now, so that --help does not wait for what serving needs.
    from a3t_contracts.service import serve

    from .app import create_app
    from .processes import serve_processes

    if settings.env_workers > 1:
        serve_processes(settings)
    else:
        serve(create_app(settings), settings, "env")


if __name__ == "__main__":
    sys.exit(guarded(main))
