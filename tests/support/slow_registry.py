"""A registry whose storage does not answer until a test lets it: an fsspec file system in memory."""

from __future__ import annotations

from threading import Event
from typing import Any

import fsspec
from fsspec.implementations.memory import MemoryFileSystem

__all__ = ["SLOW_REGISTRY", "SlowStorage"]

SLOW_REGISTRY = "slow://registry"


class SlowStorage(MemoryFileSystem):  # type: ignore[misc]
    """Every call that would go over the network waits for `released`; `reached` is set when one does."""

    protocol = "slow"
    reached, released = Event(), Event()

    @classmethod
    def hold(cls) -> None:
        """Do not answer any more."""
        cls.reached.clear()
        cls.released.clear()

    @classmethod
    def _wait(cls) -> None:
        cls.reached.set()
        if not cls.released.wait(timeout=60):
            raise TimeoutError("nobody let the storage answer")

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> Any:
        self._wait()
        return super().ls(path, detail, **kwargs)

    def info(self, path: str, **kwargs: Any) -> Any:
        self._wait()
        return super().info(path, **kwargs)

    def exists(self, path: str, **kwargs: Any) -> bool:
        self._wait()
        return bool(super().exists(path, **kwargs))

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        self._wait()
        return bytes(super().cat_file(path, start, end, **kwargs))


fsspec.register_implementation("slow", SlowStorage, clobber=True)
