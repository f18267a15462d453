"""The env service over plug-ins in Python, on a real port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from a3t_contracts.clients import EnvClient, RetryPolicy
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_env.app import create_app
from a3t_env.settings import EnvSettings
from tests.support.live_server import live_server

MOODS = "tests.support.moody_plugin"
ServiceFactory = Callable[..., EnvClient]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[ServiceFactory]:
    """Serves plug-ins and gives a client that repeats nothing."""
    with ExitStack() as stack:

        def start(plugins: str, **settings: Any) -> EnvClient:
            app = create_app(EnvSettings(home=tmp_path, env_plugins=plugins, **settings))
            return EnvClient(stack.enter_context(live_server(app)), DEVELOPMENT_TOKEN, retry=RetryPolicy(attempts=1))

        yield start
