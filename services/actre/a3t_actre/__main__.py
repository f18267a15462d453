"""`python -m a3t_actre`: serve with settings from the environment."""

from __future__ import annotations

import sys

from a3t_contracts.cli import guarded
from a3t_contracts.program import settings_of_program

from .settings import ActReSettings

_ABOUT = "Writes the reasons of actions, over HTTP, until it is stopped: with templates, or with an LLM server."


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    settings = settings_of_program("python -m a3t_actre", _ABOUT, ActReSettings)
    # Imported late, so that --help does not wait for the packages that only serving needs.
    from a3t_contracts.service import serve

    from .app import create_app

    serve(create_app(settings), settings, "actre")


if __name__ == "__main__":
    sys.exit(guarded(main))
