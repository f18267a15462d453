"""A compose project of its own for the tests: built, started, looked into, removed."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NAME = "a3t-test"


class Project:
    """`docker compose` with the secrets and ports of the tests."""

    def __init__(self, folder: Path) -> None:
        self.env_file = folder / "test.env"
        self.token = secrets.token_hex(32)
        self.env_file.write_text(
            f"A3T_TOKEN={self.token}\nPOSTGRES_PASSWORD={secrets.token_hex(16)}\n"
            f"REDIS_PASSWORD={secrets.token_hex(16)}\nA3T_SEED_GAMES=40\n"
            "A3T_POLICY_PORT=18102\nA3T_DASHBOARD_PORT=18100\n"
        )

    def compose(self, *args: str, check: bool = True, timeout: float = 1800) -> str:
        """Run `docker compose …`; its stdout. Fails with what it printed."""
        command = ["docker", "compose", "-p", NAME, "--env-file", str(self.env_file), *args]
        return run(command, check=check, timeout=timeout)

    def containers(self, service: str = "") -> list[str]:
        """Ids of the running containers (of a service)."""
        return self.compose("ps", "-q", "--status", "running", *([service] if service else [])).split()

    def sql(self, query: str) -> list[list[str]]:
        """Rows of a query, asked inside the database's container."""
        found = self.compose("exec", "-T", "postgres", "psql", "-U", "a3t", "-d", "a3t", "-AtF", "\t", "-c", query)
        return [line.split("\t") for line in found.splitlines()]

    def count(self, table: str, where: str = "true") -> int:
        """Rows of a table; 0 while the database is not ready."""
        try:
            return int(self.sql(f"SELECT count(*) FROM {table} WHERE {where}")[0][0])  # noqa: S608
        except AssertionError:
            return 0


def require_engine() -> None:
    """Fail, and never skip, where no Docker engine with compose answers."""
    try:
        for command in (["docker", "info"], ["docker", "compose", "version"]):
            subprocess.run(command, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.fail(f"These tests need a Docker engine with compose, and none answers: {error}", pytrace=False)


def run(command: list[str], *, check: bool = True, timeout: float = 600) -> str:
    """stdout of a command run in the repository's root; an AssertionError with its output where it failed."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("A3T_", "POSTGRES_", "REDIS_"))}
    done = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=timeout)
    if check:
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def inspect(container: str) -> dict[str, Any]:
    """`docker inspect` of a container."""
    found: list[dict[str, Any]] = json.loads(run(["docker", "inspect", container]))
    return found[0]


def kill_process(container: str) -> None:
    """SIGKILL the container's first process from outside, as the kernel's out-of-memory killer would; where only
    the engine may do so, let it kill and start the container again."""
    try:
        os.kill(inspect(container)["State"]["Pid"], signal.SIGKILL)
    except (PermissionError, ProcessLookupError):
        run(["docker", "kill", container])
        run(["docker", "start", container])
