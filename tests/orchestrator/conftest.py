"""Fixtures of the orchestrator's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
