"""Uploaded training files, stored once by content."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.files import sync_folder, write_atomically
from a3t_contracts.schemas.job import FileObject

from .faults import telling_full_disk

__all__ = ["FileStore"]


class FileStore:
    """A folder of `<id>.jsonl` and `<id>.json` (the FileObject, written last). Ids come from the content's SHA-256."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    async def add(self, chunks: AsyncIterator[bytes], filename: str) -> FileObject:
        """Store a body as it arrives. Raises InvalidInputError for an empty one."""
        descriptor, name = tempfile.mkstemp(prefix=".upload-", dir=self.root)
        partial, digest, size = Path(name), hashlib.sha256(), 0
        try:
            with telling_full_disk(), os.fdopen(descriptor, "wb") as file:
                async for chunk in chunks:
                    file.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())  # it waits for the disk: seconds for a large file
            if size == 0:
                raise InvalidInputError("The uploaded file is empty.", hint="One Trajectory as JSON a line.")
            return self._keep(partial, digest.hexdigest(), size, filename)
        finally:
            partial.unlink(missing_ok=True)

    def get(self, file_id: str) -> FileObject:
        """Raises NotFoundError."""
        path = self._meta(file_id)
        if not path.is_file():
            raise NotFoundError(f"There is no file {file_id!r}.", hint="Upload it with POST /v1/files.")
        return FileObject.model_validate_json(path.read_text())

    def path(self, file_id: str) -> Path:
        """Where the content is. Raises NotFoundError."""
        return self.root / f"{self.get(file_id).id}.jsonl"

    def all(self) -> list[FileObject]:
        """All files, newest first."""
        files = [FileObject.model_validate_json(p.read_text()) for p in self.root.glob("file-*.json")]
        return sorted(files, key=lambda f: (-f.created_at, f.id))

    def _keep(self, partial: Path, sha256: str, size: int, filename: str) -> FileObject:
        file_id = f"file-{sha256[:24]}"
        if self._meta(file_id).is_file():
            return self.get(file_id)
        about = FileObject(id=file_id, bytes=size, created_at=int(time.time()), filename=filename, sha256=sha256)
        partial.replace(self.root / f"{file_id}.jsonl")
        sync_folder(self.root)
        write_atomically(self._meta(file_id), about.model_dump_json())
        return about

    def _meta(self, file_id: str) -> Path:
        name = file_id.removeprefix("file-")
        safe = name.isalnum() and file_id.startswith("file-")
        return self.root / (f"{file_id}.json" if safe else "no-such-file")
