"""Fixtures of the orchestrator's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from a3t_orchestrator.store import Store
from tests.support.postgres import PostgresServer


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
