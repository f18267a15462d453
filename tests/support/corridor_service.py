"""`python -m tests.support.corridor_service`: the env service over the corridor, for tests of live processes."""

from __future__ import annotations

from a3t_contracts.service import serve
from a3t_env.app import create_app
from a3t_env.environments import Environments
from a3t_env.settings import EnvSettings
from tests.support.corridor import CorridorEnvironment

if __name__ == "__main__":
    settings = EnvSettings()
    serve(create_app(settings, Environments({"alfworld": CorridorEnvironment})), settings, "env")
