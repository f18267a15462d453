from __future__ import annotations

import logging
import signal
from pathlib import Path

import pytest
from pydantic import ValidationError

from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.cli import guarded
from a3t_contracts.errors import A3TError, InvalidInputError, NotFoundError
from a3t_contracts.logging import configure_logging
from a3t_contracts.settings import CommonSettings, ServiceSettings


def test_production_refuses_the_default_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A3T_MODE", "production")
    with pytest.raises(ValidationError, match="A3T_TOKEN must be set"):
        CommonSettings()
    monkeypatch.setenv("A3T_TOKEN", "short")
    with pytest.raises(ValidationError, match="A3T_TOKEN must be set"):
        CommonSettings()
    monkeypatch.setenv("A3T_TOKEN", "a-long-enough-secret")
    assert CommonSettings().mode == "production"


def test_the_token_is_never_shown() -> None:
    assert "a3t-development" not in repr(ServiceSettings())


def test_the_registry_lies_in_home_by_default(tmp_path: Path) -> None:
    assert CommonSettings(home=tmp_path).registry_url == str(tmp_path / "registry")
    assert CommonSettings(home=tmp_path, registry="s3://b/r").registry_url == "s3://b/r"


def test_base_model_names(tiny_model: Path) -> None:
    assert resolve_base_model(str(tiny_model)) == str(tiny_model)
    assert resolve_base_model("mistralai/Mistral-7B-Instruct-v0.2") == "mistralai/Mistral-7B-Instruct-v0.2"
    with pytest.raises(NotFoundError, match="'a3t/none'"):
        resolve_base_model("a3t/none")
    with pytest.raises(NotFoundError, match="no base model folder"):
        resolve_base_model("/nowhere/model")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInputError("bad"), 2),
        (NotFoundError("unknown"), 3),
        (A3TError("broken"), 1),
        (KeyboardInterrupt(), 130),
        (InvalidInputError("no [/bold] name"), 2),
    ],
)
def test_errors_become_exit_codes(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise error

    assert guarded(main) == code
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err


def test_errors_are_told_word_for_word(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise A3TError("It is not installed.", hint="Install a3t-env[official], see [/docs].")

    assert guarded(main) == 1
    assert "Install a3t-env[official], see [/docs]." in " ".join(capsys.readouterr().err.split())


def test_exit_codes_of_the_command_line_pass_through() -> None:
    assert guarded(lambda: None) == 0

    def leave() -> None:
        raise SystemExit(2)

    assert guarded(leave) == 2


def test_debug_is_about_this_project(capsys: pytest.CaptureFixture[str]) -> None:
    """What libraries say of every request and packet would bury it; what goes wrong in them is told at any level."""
    try:
        for level, below in (("DEBUG", logging.INFO), ("ERROR", logging.WARNING)):
            configure_logging("test", level)
            for name in ("httpcore.http11", "httpx", "urllib3.connectionpool", "botocore.hooks"):
                assert not logging.getLogger(name).isEnabledFor(below)
                assert logging.getLogger(name).isEnabledFor(logging.ERROR)
        configure_logging("test", "DEBUG")
        assert logging.getLogger("a3t_policy").isEnabledFor(logging.DEBUG)
        for name in ("uvicorn.error", "websockets.client"):  # they write the headers of sockets, tokens included
            assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)
            assert logging.getLogger(name).isEnabledFor(logging.INFO)
    finally:
        configure_logging("test", "WARNING")


def test_what_waits_leaves_on_sigterm() -> None:
    """Also as the first process of a container, which ignores the signal where nobody handles it."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        assert guarded(lambda: signal.raise_signal(signal.SIGTERM)) == 143
    finally:
        signal.signal(signal.SIGTERM, before)
