"""Secrets in error messages: of settings, of the queue and of the database. Those of a whole run: tests/e2e."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from a3t_contracts.errors import A3TError
from a3t_contracts.settings import ServiceSettings
from a3t_orchestrator.metrics import lengths
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import Store

SECRET = "hunter2-of-these-tests"


@pytest.mark.parametrize("program", ["a3t_env", "a3t_orchestrator.worker"])
def test_a_program_that_refuses_its_settings_shows_no_secret(program: str, tmp_path: Path) -> None:
    wrong = {"A3T_TOKEN": SECRET, "A3T_READ_TOKENS": SECRET}
    done = subprocess.run(
        [sys.executable, "-m", program],
        env=os.environ | {"A3T_HOME": str(tmp_path)} | wrong,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert done.stderr.startswith("Error:")


def test_settings_are_shown_without_their_secrets() -> None:
    settings = ServiceSettings.model_validate(
        {"token": SECRET, "run_tokens": f"{SECRET}-2", "token_second": f"{SECRET}-3"}
    )
    assert "hunter2" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_a_queue_and_a_database_that_are_away_are_named_without_password() -> None:
    queue = OrchestratorSettings(redis_url=f"redis://:{SECRET}@127.0.0.1:1/0")
    with pytest.raises(A3TError) as of_queue:
        lengths(queue)
    store = Store(f"postgresql+psycopg://a3t:{SECRET}@127.0.0.1:1/a3t?connect_timeout=2")
    with pytest.raises(Exception, match=r"127\.0\.0\.1") as of_database:
        store.require_current()
    assert "hunter2" not in repr(of_queue.value) + str(of_database.value) + repr(store)


def test_a_wrong_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A3T_TOKEN", SECRET)
    monkeypatch.setenv("A3T_READ_TOKENS", SECRET)
    with pytest.raises(ValidationError) as refused:
        ServiceSettings()
    assert "hunter2" not in str(refused.value)
