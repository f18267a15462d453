"""`python -m a3t_orchestrator` serves the API and the dashboard with settings from the environment."""

from __future__ import annotations

from a3t_contracts.service import serve

from .app import create_app
from .settings import OrchestratorSettings

if __name__ == "__main__":
    settings = OrchestratorSettings()
    serve(create_app(settings), settings, "orchestrator")
