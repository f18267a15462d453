"""Fixtures that all suites share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from a3t_policy.engine.exact import ask_for_exact_rows
from tests.support.postgres import PostgresServer, find_binaries, start_postgres
from tests.support.tiny_model import make_tiny_model

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
ask_for_exact_rows()
# How long an example takes is the machine's affair.
settings.register_profile("a3t", deadline=None)
settings.load_profile("a3t")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny real model with random weights."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny-model"))


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Folder with the real games and products (A3T_REFERENCE_DATA); tests that need it skip without it."""
    folder = Path(os.environ.get("A3T_REFERENCE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"reference data not found at {folder}; set A3T_REFERENCE_DATA to run this test")
    return folder


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
