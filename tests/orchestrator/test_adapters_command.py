"""`a3t adapters …` against a trainer service that runs, on a registry with versions."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn

from a3t_contracts.cli import guarded
from a3t_orchestrator.cli.adapters import app
from a3t_trainer.app import create_app
from a3t_trainer.settings import TrainerSettings
from tests.trainer.test_trainer_registry import put

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A registry with v0 to v2, and a service for it in a thread; no process is kept warm, no job is run."""
    settings = TrainerSettings(home=tmp_path, trainer_keep_warm=False)
    put(tmp_path / "registry", "v0", "v1", "v2")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=port, log_config=None, lifespan="on"))
    ready = threading.Event()
    startup = server.startup

    async def tell(sockets: list[socket.socket] | None = None) -> None:
        await startup(sockets)
        ready.set()

    monkeypatch.setattr(server, "startup", tell)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert ready.wait(30)
    monkeypatch.setenv("A3T_TRAINER_URL", f"http://127.0.0.1:{port}")
    yield tmp_path / "registry"
    server.should_exit = True
    thread.join()


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["a3t adapters", *arguments])
        code = guarded(app)
        out, err = capfd.readouterr()
        return code, out, err

    return run


def test_list_show_and_verify(registry: Path, call: Call) -> None:
    code, out, _ = call("list")
    assert code == 0
    assert all(v in out for v in ("v0", "v1", "v2", "org/base"))
    listed = json.loads(call("list", "--json")[1])
    assert [m["version"] for m in listed["adapters"]] == ["v0", "v1", "v2"]
    assert listed["live"] is None
    assert json.loads(call("show", "v1", "--json")[1])["metrics"] == {"loss": 1.5}
    assert "adapter_model.safetensors" in call("show", "v1")[1]
    assert call("verify", "v1")[:2] == (0, "v1 is intact.\n")


def test_a_corrupt_version_is_exit_code_2_and_an_unknown_one_3(registry: Path, call: Call) -> None:
    (registry / "v1" / "adapter_config.json").write_text("[]")
    code, _, err = call("verify", "v1")
    assert code == 2
    assert "Adapter 'v1' is corrupt: adapter_config.json" in " ".join(err.split())
    code, _, err = call("show", "v9")
    assert code == 3
    assert "There is no adapter version 'v9'" in " ".join(err.split())


def test_promote_rollback_and_gc(registry: Path, call: Call) -> None:
    assert call("promote", "v0")[:2] == (0, "v0 is live.\n")
    assert json.loads(call("promote", "v2", "--json")[1])["history"] == ["v0"]
    assert "*" in call("list")[1]
    assert json.loads(call("list", "--json")[1])["live"] == "v2"
    assert call("demote")[:2] == (0, "The base model is live.\n")
    assert call("rollback")[:2] == (0, "v2 is live again.\n")
    assert call("rollback")[:2] == (0, "v0 is live again.\n")
    code, _, err = call("rollback")
    assert code == 1
    assert "no earlier live version" in err
    assert json.loads(call("gc", "--keep", "1", "--dry-run", "--json")[1])["removed"] == ["v1"]
    assert call("gc", "--keep", "1")[1].startswith("Removed v1 (")
    assert sorted(p.name for p in registry.iterdir()) == ["live.json", "v0", "v2"]


def test_without_a_service_there_is_one_clear_message(tmp_path: Path) -> None:
    environment = os.environ | {"A3T_HOME": str(tmp_path), "A3T_TRAINER_URL": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-m", "a3t_orchestrator.cli", "adapters", "list"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "a3t up" in done.stderr
    assert "Traceback" not in done.stderr
