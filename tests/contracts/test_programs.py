"""Every module that runs with `python -m` says what it is, and starts nothing on an argument that it does not know."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from a3t_contracts.program import settings_help, settings_of_program

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(
    folder for pattern in ("*/a3t_*", "services/*/a3t_*") for folder in ROOT.glob(pattern) if folder.is_dir()
)
SERVICES = {
    "a3t_env": "A3T_ENV_MAX_SESSIONS=4096",
    "a3t_policy": "A3T_POLICY_BASE_MODEL=a3t/tiny",
    "a3t_actre": "A3T_ACTRE_ANNOTATOR=template",
    "a3t_trainer": "A3T_PORT=8104",
    "a3t_orchestrator": "A3T_REDIS_URL=",
    "a3t_orchestrator.worker": "A3T_WORKER_THREADS=2",
    "a3t_env.seed_data": "A3T_SEED_GAMES=400",
}


def _programs() -> list[str]:
    """The modules with something to run, as `python -m` calls them."""
    found = []
    for package in PACKAGES:
        for path in package.rglob("*.py"):
            if path.name == "__main__.py" or '__name__ == "__main__"' in path.read_text(encoding="utf-8"):
                parts = path.relative_to(package.parent).with_suffix("").parts
                found.append(".".join(parts[:-1] if parts[-1] == "__main__" else parts))
    return sorted(found)


def _run(tmp_path: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("A3T_")}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=clean | {"A3T_HOME": str(tmp_path / "home"), "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_programs_are_found() -> None:
    assert set(SERVICES) <= set(_programs())


@pytest.mark.parametrize("module", _programs())
def test_help_says_what_a_program_is(tmp_path: Path, module: str) -> None:
    shown = _run(tmp_path, module, "--help")
    assert shown.returncode == 0, shown.stderr
    assert "usage" in shown.stdout.lower()
    assert len(shown.stdout.split()) > 15, "what it is stands there, too"
    assert SERVICES.get(module, "") in shown.stdout
    assert not (tmp_path / "home").exists(), "nothing was started"


@pytest.mark.parametrize("module", _programs())
def test_an_argument_that_is_not_known_is_refused(tmp_path: Path, module: str) -> None:
    refused = _run(tmp_path, module, "--no-such-argument")
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert "usage" in refused.stderr.lower()
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "home").exists(), "nothing was started"


@pytest.mark.parametrize("module", [module for module in SERVICES if module.count(".") == 0])
def test_a_service_takes_no_words(tmp_path: Path, module: str) -> None:
    refused = _run(tmp_path, module, "serve")
    assert refused.returncode == 2
    assert "unrecognized arguments: serve" in refused.stderr


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="A3T_")

    seconds: float = Field(1.5, description="Seconds to wait")
    token: SecretStr = Field(SecretStr("open"), description="The token")
    folder: Path | None = Field(None, description="A folder")
    quiet: bool = Field(False, description="Say nothing")


def test_every_setting_has_its_name_default_and_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    text = settings_help(_Settings)
    for words in ("A3T_SECONDS=1.5", "Seconds to wait", "A3T_TOKEN=open", "A3T_FOLDER=\n", "A3T_QUIET=false"):
        assert words in text
    monkeypatch.setenv("A3T_SECONDS", "3")
    assert settings_of_program("python -m it", "It.", _Settings, []).seconds == 3
