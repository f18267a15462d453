"""Uploaded training files, stored once by content."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.files import sync_folder, write_atomically
from a3t_contracts.schemas import FileObject
from a3t_contracts.service import Lane

from .faults import telling_full_disk

__all__ = ["FileStore"]

_BLOCK = 2**20
"""Number of bytes that are written at a time, because starting a thread for each chunk of a request would take
longer than writing it.
"""


class FileStore:
    """A folder with `<id>.jsonl` and `<id>.json` for each file; the latter is the FileObject and is written last. Ids
    are made from the SHA-256 of the content.

    `add` writes in threads. The other methods read from the disk, so they must be called in a thread.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._disk = Lane("files", 4)
        root.mkdir(parents=True, exist_ok=True)

    async def add(self, chunks: AsyncIterator[bytes], filename: str) -> FileObject:
        """Store a body as it arrives. Raises InvalidInputError for an empty one."""
        with telling_full_disk():
            upload = await self._disk(partial(_Upload, self.root))
            try:
                async for block in _blocks(chunks):
                    await self._disk(partial(upload.write, block))
                await self._disk(upload.close)
                if upload.size == 0:
                    raise InvalidInputError(
                        "The uploaded file is empty.", hint="Upload JSON Lines: one trajectory per line."
                    )
                return await self._disk(partial(self._keep, upload, filename))
            finally:
                await self._disk(upload.discard)

    def get(self, file_id: str) -> FileObject:
        """The description of a file. Raises NotFoundError for an unknown id."""
        path = self._meta(file_id)
        if not path.is_file():
            raise NotFoundError(f"There is no file {file_id!r}.", hint="Upload it with POST /v1/files.")
        return FileObject.model_validate_json(path.read_text())

    def path(self, file_id: str) -> Path:
        """Path of a file's content. Raises NotFoundError for an unknown id."""
        return self.root / f"{self.get(file_id).id}.jsonl"

    def all(self) -> list[FileObject]:
        """All files, newest first."""
        files = [FileObject.model_validate_json(p.read_text()) for p in self.root.glob("file-*.json")]
        return sorted(files, key=lambda f: (-f.created_at, f.id))

    def _keep(self, upload: _Upload, filename: str) -> FileObject:
        sha256 = upload.digest.hexdigest()
        file_id = f"file-{sha256[:24]}"
        if self._meta(file_id).is_file():
            return self.get(file_id)
        about = FileObject(id=file_id, bytes=upload.size, created_at=int(time.time()), filename=filename, sha256=sha256)
        upload.path.replace(self.root / f"{file_id}.jsonl")
        sync_folder(self.root)
        write_atomically(self._meta(file_id), about.model_dump_json())
        return about

    def _meta(self, file_id: str) -> Path:
        name = file_id.removeprefix("file-")
        safe = name.isalnum() and file_id.startswith("file-")
        return self.root / (f"{file_id}.json" if safe else "no-such-file")


class _Upload:
    """A request body that is being written to a new file in `folder`."""

    def __init__(self, folder: Path) -> None:
        descriptor, name = tempfile.mkstemp(prefix=".upload-", dir=folder)
        self.path, self.digest, self.size = Path(name), hashlib.sha256(), 0
        self._file = os.fdopen(descriptor, "wb")

    def write(self, block: bytes) -> None:
        self._file.write(block)
        self.digest.update(block)
        self.size += len(block)

    def close(self) -> None:
        """Write the content to the disk and sync it."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def discard(self) -> None:
        """Delete the file, unless it was kept."""
        self._file.close()
        self.path.unlink(missing_ok=True)


async def _blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the same bytes in blocks of at least `_BLOCK` bytes; the last may be smaller."""
    waiting = bytearray()
    async for chunk in chunks:
        waiting += chunk
        if len(waiting) >= _BLOCK:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)
