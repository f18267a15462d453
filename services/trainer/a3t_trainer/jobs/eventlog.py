"""The events of one job: JSON lines on disk, all of them in memory."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from a3t_contracts.logging import get_logger
from a3t_contracts.schemas import JobEvent

__all__ = ["EventLog"]

log = get_logger(__name__)


class EventLog:
    """The events of one job: all in memory, and appended to the file by `save`. A line that a crash cut off is dropped
    when the file is read."""

    def __init__(self, path: Path, job_id: str) -> None:
        self.path, self.job_id = path, job_id
        self.events: list[JobEvent] = []
        if path.exists():
            self._read()

    def add(
        self, message: str, level: Literal["info", "warn", "error"], kind: Literal["message", "metrics"], data: Any
    ) -> JobEvent:
        """Add an event in memory."""
        seq = len(self.events)
        event = JobEvent(
            id=f"{self.job_id}-{seq}",
            seq=seq,
            created_at=int(time.time()),
            level=level,
            type=kind,
            message=message,
            data=data,
        )
        self.events.append(event)
        return event

    def save(self, event: JobEvent) -> None:
        """Append an event to the file; a full disk is logged, the event stays in memory."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(event.model_dump_json() + "\n")
        except OSError as error:
            log.error("event.not_saved", job=self.job_id, seq=event.seq, error=str(error))

    def _read(self) -> None:
        whole = 0
        for line in self.path.read_bytes().splitlines(keepends=True):
            try:
                self.events.append(JobEvent.model_validate_json(line))
            except ValidationError:
                log.warning("event.cut_off", job=self.job_id, seq=len(self.events))
                break
            whole += len(line)
        if whole != self.path.stat().st_size:
            with self.path.open("r+b") as file:
                file.truncate(whole)
