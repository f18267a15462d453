"""`python -m a3t_trainer`: serve with settings from the environment."""

from __future__ import annotations

import sys

from a3t_contracts.cli import guarded
from a3t_contracts.program import settings_of_program

from .settings import TrainerSettings

_ABOUT = (
    "Serves fine-tuning jobs and the registry of adapter versions over HTTP until it is stopped. Each job runs in a "
    "child process, is resumed after a crash, and publishes an adapter version."
)


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    settings = settings_of_program("python -m a3t_trainer", _ABOUT, TrainerSettings)
    # Imported late, so that --help does not wait for the packages that only serving needs.
    from a3t_contracts.service import serve

    from .app import create_app

    serve(create_app(settings), settings, "trainer")


if __name__ == "__main__":
    sys.exit(guarded(main))
