"""Adapter versions: immutable folders with a manifest that is written last."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from .base import Name, Schema

__all__ = [
    "MANIFEST_NAME",
    "AdapterFile",
    "AdapterManifest",
    "AdapterPush",
    "GarbageReport",
    "LivePointer",
    "PushResult",
    "version_name",
]

MANIFEST_NAME = "manifest.json"


class AdapterFile(Schema):
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0, description="bytes")


class AdapterManifest(Schema):
    """`manifest.json` of an adapter version; its presence says that the version is whole."""

    version: Name = Field(description="`<run>-rNN`; never used twice")
    run: Name
    round: int = Field(ge=0)
    base_model: str = Field(description="Path or hub id of the base")
    base_fingerprint: str = Field(description="See a3t_contracts.registry.base_fingerprint")
    parent: str | None = Field(None, description="Version it continued from; null: from the base")
    files: dict[str, AdapterFile]
    rank: int = Field(ge=0, description="LoRA rank; 0 for none")
    target_modules: list[str] = Field(default_factory=list)
    objective: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict, description="Counts of the training set")
    metrics: dict[str, float] = Field(default_factory=dict)
    job_id: str | None = None
    created_at: datetime


def version_name(run: str, round: int) -> str:
    """The adapter version of a run's round, e.g. `demo-r02`."""
    return f"{run}-r{round:02d}"


class LivePointer(Schema):
    """`live.json` of a registry: the version to serve by default."""

    version: Name | None = Field(None, description="null: nothing was promoted yet")
    history: list[Name] = Field(default_factory=list, description="What was live before, the last one last")
    updated_at: datetime | None = None


class GarbageReport(Schema):
    """What a garbage collection removed, or would remove."""

    removed: list[str] = Field(description="Versions, and leftovers of interrupted publications")
    kept: list[str]
    freed_bytes: int
    dry_run: bool


class AdapterPush(Schema):
    """Push a version to the Hugging Face Hub."""

    repository: str = Field(pattern=r"^[\w.-]+/[\w.-]+$", description="<namespace>/<name>")
    private: bool = True


class PushResult(Schema):
    version: Name
    url: str
