"""`python -m a3t_env`: serve with settings from the environment."""

from __future__ import annotations

import sys

from a3t_contracts.cli import guarded
from a3t_contracts.program import settings_of_program

from .settings import EnvSettings

_ABOUT = (
    "Serves the installed environments over HTTP until it is stopped. Tasks come with an environment, or are made by "
    "`a3t data` (where only this package is installed: `python -m a3t_env.cli`)."
)


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    settings = settings_of_program("python -m a3t_env", _ABOUT, EnvSettings)
    # Imported late, so that --help does not wait for the packages that only serving needs.
    from a3t_contracts.service import serve

    from .app import create_app
    from .processes import serve_processes

    if settings.env_workers > 1:
        serve_processes(settings)
    else:
        serve(create_app(settings), settings, "env")


if __name__ == "__main__":
    sys.exit(guarded(main))
