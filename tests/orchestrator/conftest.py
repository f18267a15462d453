"""Fixtures of the orchestrator's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from a3t_orchestrator.store import Store
from tests.support.postgres import PostgresServer, find_binaries, start_postgres


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A real PostgreSQL server; skips where the machine has none."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's initdb and postgres are not installed")
    server, process = start_postgres(binaries, tmp_path_factory.mktemp("postgres"))
    yield server
    process.terminate()
    process.wait(30)


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty database of either kind, with today's schema."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'a3t.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.fresh_database()
    opened = Store(url)
    opened.upgrade()
    yield opened
    opened.close()
