"""Files of OpenAI's batch API, which answers requests within a day at half the price."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.files import write_atomically
from a3t_contracts.schemas import Reason, ReasonQuery

from ..backends.base import STOP
from ..cleaning import UnusableReason, clean_reason
from ..prompting import build_prompt
from ..settings import ActReSettings
from .records import Record

__all__ = ["Answers", "batch_prompt", "write_batch"]

_MOST_REQUESTS = 50_000
_MOST_BYTES = 190 * 2**20
"""Largest number of requests and of bytes in a file: the API's limits, with a margin below its 200 MB."""


def batch_prompt(query: ReasonQuery, settings: ActReSettings) -> str:
    """The prompt for a query, the same as that of the annotator `llm`."""
    return build_prompt(query, settings.actre_prompt, settings.actre_max_prompt_chars)


def write_batch(records: Iterable[Record], target: Path, model: str, settings: ActReSettings) -> list[tuple[Path, int]]:
    """Write a request for every action without a reason. Returns the files, each with its number of requests.

    If one file would be too large for the API, there are several: `x.jsonl`, `x-2.jsonl`, …
    """
    files: list[tuple[Path, int]] = []
    lines: list[bytes] = []
    size = 0

    def close() -> None:
        number = len(files) + 1
        path = target if number == 1 else target.with_name(f"{target.stem}-{number}{target.suffix}")
        write_atomically(path, b"".join(lines))
        files.append((path, len(lines)))

    for line in _requests(records, model, settings):
        if lines and (len(lines) == _MOST_REQUESTS or size + len(line) > _MOST_BYTES):
            close()
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    close()
    return files


def _requests(records: Iterable[Record], model: str, settings: ActReSettings) -> Iterator[bytes]:
    for record in records:
        for index in record.open_steps:
            prompt = batch_prompt(record.query(index), settings)
            body = {
                "model": model,
                "messages": [{"role": "user", "content": prompt}],
                "max_tokens": settings.actre_max_tokens,
                "temperature": settings.actre_temperature,
                "stop": list(STOP),
            }
            request = {
                "custom_id": custom_id(record.id, index),
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": body,
            }
            yield json.dumps(request, ensure_ascii=False).encode() + b"\n"


def custom_id(record: str, step: int) -> str:
    """The name of a request. It has at most 64 characters, and is the same whenever the same line is read."""
    return f"a3t-{hashlib.sha256(record.encode()).hexdigest()[:24]}-{step}"


class Answers:
    """The answers in batch files, by the names of their requests. `failed` counts answers without a completion."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.failed = 0
        self._texts: dict[str, tuple[str, str, bool]] = {}
        for file in files:
            self._read(file)

    def find(self, record: str, step: int, query: ReasonQuery, settings: ActReSettings) -> Reason | None:
        """The reason of a step; None if there is no answer, or no usable one."""
        found = self._texts.get(custom_id(record, step))
        if found is None:
            return None
        text, model, whole = found
        try:
            prompt = batch_prompt(query, settings)
            reason = clean_reason(
                text, action=query.action, prompt=prompt, whole=whole, max_words=settings.actre_max_words
            )
        except UnusableReason:
            self.failed += 1
            return None
        return Reason(reason=reason, annotator="batch", model=model or None)

    def _read(self, file: Path) -> None:
        try:
            lines = file.read_bytes().splitlines()
        except FileNotFoundError as error:
            raise NotFoundError(f"There is no file {file}.") from error
        except OSError as error:
            raise InvalidInputError(f"{file} cannot be read: {error.strerror}.") from error
        for number, line in enumerate(lines, 1):
            if line.strip():
                self._take(file, number, line)

    def _take(self, file: Path, number: int, line: bytes) -> None:
        try:
            reply: dict[str, Any] = json.loads(line.decode("utf-8-sig"))
            name = reply["custom_id"]
            if not isinstance(name, str):
                raise TypeError("custom_id is not a text")
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInputError(
                f"{file}, line {number}: this is not an answer of a batch: {error!r}.",
                hint="Give the output file of the batch, whose lines have `custom_id` and `response`.",
            ) from error
        try:
            body = reply["response"]["body"]
            choice = body["choices"][0]
            text, model = choice["message"]["content"], body.get("model", "")
            if reply["response"].get("status_code") != 200 or not isinstance(text, str):
                raise KeyError("status_code")
            self._texts[name] = (text, str(model), choice.get("finish_reason") != "length")
        except (KeyError, TypeError, IndexError, AttributeError):
            self.failed += 1
