"""The objects that the routes share."""

from __future__ import annotations

from dataclasses import dataclass

from .files import FileStore
from .jobs.store import JobStore
from .jobs.supervisor import Supervisor
from .settings import TrainerSettings

__all__ = ["TrainerState"]


@dataclass(slots=True)
class TrainerState:
    """The objects that the trainer's routes share: settings, files, jobs, and the supervisor of training processes."""

    settings: TrainerSettings
    files: FileStore
    jobs: JobStore
    supervisor: Supervisor

    @classmethod
    def of(cls, settings: TrainerSettings) -> TrainerState:
        """Open the files and jobs on the disk."""
        files, jobs = FileStore(settings.trainer_home / "files"), JobStore(settings.trainer_home / "jobs")
        return cls(settings, files, jobs, Supervisor(jobs, files, settings))
