"""A real PostgreSQL server for a test session, from the binaries of the machine."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
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
    initdb = [binaries / "initdb", "-D", folder / "data", "-U", "a3t", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"]
    made = subprocess.run(list(map(str, initdb)), check=False, capture_output=True, user=user, cwd=folder, text=True)
    if made.returncode:
        raise RuntimeError(f"PostgreSQL's initdb failed: {made.stderr}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = serve_cluster(binaries, folder, port)
    return PostgresServer(port), process


def serve_cluster(binaries: Path, folder: Path, port: int, seconds: float = 60) -> subprocess.Popen[bytes]:
    """Start the server of the cluster in `folder`, again where it was killed, and wait until it answers."""
    command = [binaries / "postgres", "-D", folder / "data", "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-F"]
    log, until = folder / "server.log", time.monotonic() + seconds
    while time.monotonic() < until:
        with log.open("ab") as out:
            process = subprocess.Popen(
                list(map(str, command)), user=_unprivileged(), cwd=folder, stderr=out, stdout=subprocess.DEVNULL
            )
        while process.poll() is None and time.monotonic() < until:
            try:
                psycopg.connect(f"postgresql://a3t@127.0.0.1:{port}/postgres", connect_timeout=5).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
                continue
            return process
        time.sleep(0.2)  # the processes of one that was killed may live a moment longer
    raise RuntimeError(f"PostgreSQL does not start: {log.read_text()[-2000:]}")


def _unprivileged() -> int | None:
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
