"""A real PostgreSQL server for a test session, from the binaries of the machine."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import psycopg


@dataclass
class PostgresServer:
    """A server that listens on the loopback interface; `fresh_database` gives an empty database's URL."""

    port: int
    count: int = field(default=0)

    def fresh_database(self) -> str:
        self.count += 1
        name = f"test{self.count}"
        with psycopg.connect(f"postgresql://a3t@127.0.0.1:{self.port}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://a3t@127.0.0.1:{self.port}/{name}"


def find_binaries() -> Path | None:
    """The folder of initdb and postgres, or None."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("initdb")
    candidates = [Path(on_path).parent] if on_path else []
    return next((f for f in [*candidates, *folders] if (f / "initdb").exists() and (f / "postgres").exists()), None)


def start_postgres(binaries: Path, folder: Path) -> tuple[PostgresServer, subprocess.Popen[bytes]]:
    """Make a cluster in `folder` and start it; PostgreSQL refuses to run as root, so root becomes `nobody`."""
    user = _unprivileged()
    if user is not None:
        for parent in (folder, *folder.parents):
            if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)
        os.chown(folder, user, -1)
    data = folder / "data"
    initdb = [binaries / "initdb", "-D", data, "-U", "a3t", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"]
    subprocess.run(list(map(str, initdb)), check=True, capture_output=True, user=user, cwd=folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [binaries / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-F"]
    process = subprocess.Popen(
        list(map(str, command)), user=user, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert process.stderr is not None
    for line in process.stderr:
        if b"ready to accept connections" in line:
            return PostgresServer(port), process
    raise RuntimeError(f"PostgreSQL ended with code {process.wait()}")


def _unprivileged() -> int | None:
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
