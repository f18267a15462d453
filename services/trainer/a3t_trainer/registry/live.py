"""The pointer to the live version, with the history that a rollback uses.

Only the trainer service writes it; policy replicas follow it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import fsspec

from a3t_contracts.errors import ConflictError, InvalidInputError, NotFoundError
from a3t_contracts.files import write_atomically
from a3t_contracts.logging import get_logger
from a3t_contracts.registry import LIVE_NAME, RegistryReader
from a3t_contracts.schemas.adapter import LivePointer

from .publish import local_root

__all__ = ["demote", "live", "promote", "rollback"]

_LONGEST_HISTORY = 100

log = get_logger(__name__)
_writing = threading.Lock()
"""Allows one change of the pointer at a time, because several runs may promote at the same time."""


def live(registry: str) -> LivePointer:
    """Read the pointer; its version is None before the first promotion. Raises InvalidInputError for a broken one."""
    return RegistryReader(registry).live() or LivePointer()


def promote(reader: RegistryReader, version: str) -> LivePointer:
    """Make a version live after all its hashes were verified. Promoting the live version changes nothing."""
    reader.fetch(version)
    with _writing:
        current = _present(reader.url)
        return current if current.version == version else _write(reader.url, version, _history(current))


def demote(registry: str) -> LivePointer:
    """Make the base model live."""
    with _writing:
        current = _present(registry)
        return current if current.version is None and current.updated_at else _write(registry, None, _history(current))


def rollback(reader: RegistryReader, version: str | None = None) -> LivePointer:
    """Make the version live that was live before `version` (default: the live version).

    Does nothing if `version` is no longer live, so the call may be repeated. Versions that were removed are skipped.
    Raises ConflictError if no earlier version is left.
    """
    with _writing:
        current = live(reader.url)
        if version is not None and current.version != version:
            return current
        history = list(current.history)
        while history:
            before = history.pop()
            try:
                reader.fetch(before)
            except NotFoundError:
                continue
            return _write(reader.url, before, history)
    raise ConflictError(
        "There is no earlier live version to go back to.",
        hint="Promote one with `a3t adapters promote`, or serve the base with `a3t adapters demote`.",
    )


def _present(registry: str) -> LivePointer:
    """The pointer to be replaced; an empty one if the file is broken."""
    try:
        return live(registry)
    except InvalidInputError as error:
        log.warning("registry.pointer_broken", registry=registry, reason=str(error))
        return LivePointer()


def _history(current: LivePointer) -> list[str]:
    return [*current.history, current.version] if current.version else current.history


def _write(registry: str, version: str | None, history: Sequence[str]) -> LivePointer:
    pointer = LivePointer(version=version, history=list(history)[-_LONGEST_HISTORY:], updated_at=datetime.now(UTC))
    folder, text = local_root(registry), pointer.model_dump_json(indent=2)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / LIVE_NAME, text)
    else:
        fs, root = fsspec.core.url_to_fs(registry)
        fs.pipe_file(f"{root}/{LIVE_NAME}", text.encode())
    return pointer
