"""A running policy service over the tiny model, and adapters for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_policy.app import create_app
from a3t_policy.settings import PolicySettings
from tests.support.live_server import live_server

from .policy_support import publish_forcing, publish_random

FORCED = {f"force-r{n:02d}": 60 + 7 * n for n in range(6)}
"""Versions that say one token only, and which."""


def policy_settings(base: Path, home: Path, **changes: Any) -> PolicySettings:
    """Settings for tests: nothing from the environment, everything under `home`, no trainer."""
    fields: dict[str, Any] = {
        "home": home,
        "policy_base_model": str(base),
        "policy_max_context": 1024,
        "policy_device": "cpu",
        "policy_live": "own",
        "policy_engine_processes": 1,
    }
    return PolicySettings(**(fields | changes))


@pytest.fixture(scope="session")
def registry(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with two random adapters and the forcing ones."""
    folder = tmp_path_factory.mktemp("registry")
    for seed, version in enumerate(("run-r00", "run-r01")):
        publish_random(folder, tiny_model, version, seed)
    for version, token in FORCED.items():
        publish_forcing(folder, tiny_model, version, token)
    return folder


@pytest.fixture(scope="session")
def policy(tiny_model: Path, registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of a service that all tests share; they name the version that they want."""
    home = tmp_path_factory.mktemp("policy-home")
    with live_server(create_app(policy_settings(tiny_model, home, registry=str(registry)))) as url:
        yield url


@pytest.fixture(scope="session")
def token() -> str:
    """The bearer token of the test services."""
    return DEVELOPMENT_TOKEN
