"""A disk cache of reasons that an LLM wrote, keyed by model, prompt, sampling and limits."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import diskcache  # type: ignore[import-untyped]

from a3t_contracts.errors import A3TError
from a3t_contracts.logging import get_logger

__all__ = ["ReasonCache", "prompt_key"]

log = get_logger(__name__)
_FAILURES = (sqlite3.Error, OSError, ValueError, diskcache.Timeout)


class _PlainDisk(diskcache.JSONDisk):  # type: ignore[misc]
    """Stores values as JSON. Refuses pickled values, which only an intruder can have written."""

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        if mode == diskcache.core.MODE_PICKLE:
            raise ValueError("a pickled value in the cache")
        return super().fetch(mode, filename, value, read)


class ReasonCache:
    """A cache with a size limit that survives restarts and may be shared by processes. An error of the cache is logged
    and counts as a miss.

    Args:
        folder: folder of the cache; it is created.
        megabytes: largest size in MB; if it is exceeded, the oldest entries are removed.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        try:
            self._cache = diskcache.Cache(
                str(folder),
                disk=_PlainDisk,
                size_limit=megabytes * 2**20,
                timeout=5,
                eviction_policy="least-recently-stored",
            )
        except _FAILURES as error:
            raise A3TError(
                f"The reason cache in {folder} cannot be opened: {error}.",
                hint="Remove the folder, or set A3T_ACTRE_CACHE_DIR.",
            ) from error

    def get(self, key: str) -> str | None:
        """The reason that is stored under a key; None if there is none."""
        try:
            found = self._cache.get(key)
        except _FAILURES as error:
            log.warning("cache.read_failed", error=str(error))
            return None
        return found if isinstance(found, str) else None

    def put(self, key: str, reason: str) -> None:
        """Store a reason."""
        try:
            self._cache.set(key, reason)
        except _FAILURES as error:
            log.warning("cache.write_failed", error=str(error))

    def close(self) -> None:
        """Close the files."""
        self._cache.close()


def prompt_key(**parts: str | float | int) -> str:
    """SHA-256 over everything that determines a reply: model, prompt, sampling, limits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
