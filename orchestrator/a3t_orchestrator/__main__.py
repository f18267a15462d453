"""`python -m a3t_orchestrator` serves the API and the dashboard with settings from the environment."""

from __future__ import annotations

import sys

from a3t_contracts.cli import guarded
from a3t_contracts.program import settings_of_program

from .settings import OrchestratorSettings

_ABOUT = "Serves the runs, their trajectories and reports over HTTP until it is stopped: an API and a dashboard."


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    settings = settings_of_program("python -m a3t_orchestrator", _ABOUT, OrchestratorSettings)
    # Imported only here, so that --help does not wait for the modules that serving needs.
    from a3t_contracts.service import serve

    from .app import create_app

    serve(create_app(settings), settings, "orchestrator")


if __name__ == "__main__":
    sys.exit(guarded(main))
