from __future__ import annotations

import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from a3t_contracts.errors import UnavailableError
from a3t_contracts.probe import probe
from a3t_contracts.service import create_service
from a3t_contracts.settings import ServiceSettings
from tests.support.live_server import free_port, live_server


async def starting() -> dict[str, str]:
    raise UnavailableError("The model is loading.")


def test_a_healthy_service_and_one_that_is_not_ready() -> None:
    with live_server(create_service("test", ServiceSettings(), [], ready=starting)) as url:
        port = urlsplit(url).port
        assert probe("/health", port) == 0
        assert probe("/ready", port) == 1


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A3T_PORT", str(free_port()))
    done = subprocess.run([sys.executable, "-m", "a3t_contracts.probe"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "no answer on port" in done.stderr
