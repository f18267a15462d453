"""The live version: a pointer beside the versions, with the history that a rollback goes back through."""

from __future__ import annotations

from datetime import UTC, datetime

import fsspec

from a3t_contracts.errors import ConflictError, NotFoundError
from a3t_contracts.files import write_atomically
from a3t_contracts.registry import RegistryReader
from a3t_contracts.schemas.adapter import LivePointer

from .publish import local_root

__all__ = ["LIVE_NAME", "live", "promote", "rollback"]

LIVE_NAME = "live.json"


def live(registry: str) -> LivePointer:
    """The pointer; its version is None before the first promotion."""
    fs, root = fsspec.core.url_to_fs(registry)
    path = f"{root}/{LIVE_NAME}"
    return LivePointer.model_validate_json(fs.cat_file(path)) if fs.exists(path) else LivePointer()


def promote(reader: RegistryReader, version: str) -> LivePointer:
    """Make a version live, after every hash of it was verified. The version that is live stays so, once."""
    reader.fetch(version)
    current = live(reader.url)
    if current.version == version:
        return current
    history = [*current.history, current.version] if current.version else current.history
    return _write(reader.url, LivePointer(version=version, history=history))


def rollback(reader: RegistryReader) -> LivePointer:
    """Make the version live that was live before; versions that are gone are passed over. ConflictError if none is."""
    current = live(reader.url)
    history = list(current.history)
    while history:
        version = history.pop()
        try:
            reader.fetch(version)
        except NotFoundError:
            continue
        return _write(reader.url, LivePointer(version=version, history=history))
    raise ConflictError(
        "There is no earlier live version to go back to.", hint="Promote one with `a3t adapters promote`."
    )


def _write(registry: str, pointer: LivePointer) -> LivePointer:
    pointer = pointer.model_copy(update={"updated_at": datetime.now(UTC)})
    folder, text = local_root(registry), pointer.model_dump_json(indent=2)
    if folder is not None:
        write_atomically(folder / LIVE_NAME, text)
    else:
        fs, root = fsspec.core.url_to_fs(registry)
        fs.pipe_file(f"{root}/{LIVE_NAME}", text.encode())
    return pointer
