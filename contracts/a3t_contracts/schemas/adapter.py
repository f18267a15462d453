"""Adapter versions: immutable folders with a manifest that is written last."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from .base import Name, Schema
from .trajectory import PromptStyle

__all__ = [
    "MANIFEST_NAME",
    "AdapterFile",
    "AdapterManifest",
    "AdapterPush",
    "GarbageReport",
    "LivePointer",
    "PushResult",
    "RollBack",
    "version_name",
]

MANIFEST_NAME = "manifest.json"


class AdapterFile(Schema):
    """Checksum and size of one file of an adapter version."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the content, hex")
    size: int = Field(ge=0, description="Size in bytes")


class AdapterManifest(Schema):
    """`manifest.json` of an adapter version. It is written last, so a version with a manifest is complete."""

    version: Name = Field(description="Name of the version, `RUN-rNN`; a name is never used twice")
    run: Name = Field(description="Name of the run that made it")
    round: int = Field(ge=0, description="Number of the round that made it, from 0")
    base_model: str = Field(description="Base model: a path, or a model id of the Hugging Face Hub")
    base_fingerprint: str = Field(
        description="Fingerprint of the base model, from `a3t_contracts.registry.base_fingerprint`"
    )
    parent: str | None = Field(None, description="Version whose weights training started from; null for the base model")
    files: dict[str, AdapterFile] = Field(description="Files of the version by name")
    rank: int = Field(ge=0, description="LoRA rank; 0 where the version has no LoRA matrices")
    target_modules: list[str] = Field(default_factory=list, description="Names of the layers that have LoRA matrices")
    objective: dict[str, Any] = Field(default_factory=dict, description="Objective that it was trained with")
    data: dict[str, Any] = Field(
        default_factory=dict, description="Number of trajectories that it was trained on, by kind"
    )
    prompt: PromptStyle | None = Field(
        None,
        description="How the agent read its history in the episodes that it was trained on; null where they differ, "
        "and in versions of older releases",
    )
    metrics: dict[str, float] = Field(default_factory=dict, description="Figures of its training, by name")
    job_id: str | None = Field(None, description="Id of the fine-tuning job that made it; null where there was none")
    created_at: datetime = Field(description="Time at which the version was published (UTC)")


def version_name(run: str, round: int) -> str:
    """Return the name of the adapter version of a run's round, e.g. `demo-r02`."""
    return f"{run}-r{round:02d}"


class LivePointer(Schema):
    """`live.json` of a registry: the only place that says which version is live. The trainer service writes it."""

    version: Name | None = Field(None, description="The live version; null where the base model is live")
    history: list[Name] = Field(default_factory=list, description="Versions that were live before, the latest last")
    updated_at: datetime | None = Field(None, description="Time of the last change (UTC); null where there was none")


class RollBack(Schema):
    """Go back to the previous live version. Safe to repeat if the request names the version to leave."""

    version: Name | None = Field(
        None,
        description="The version to go back from; nothing happens if it is no longer live. null goes back from any "
        "version",
    )


class GarbageReport(Schema):
    """What a garbage collection removed, or would remove."""

    removed: list[str] = Field(description="Names of removed versions, and leftovers of interrupted publications")
    kept: list[str] = Field(description="Names of the versions that were kept")
    freed_bytes: int = Field(description="Size of what was removed, in bytes")
    dry_run: bool = Field(description="Whether the report only says what would be removed")


class AdapterPush(Schema):
    """A request to push a version to the Hugging Face Hub."""

    repository: str = Field(pattern=r"^[\w.-]+/[\w.-]+$", description="Repository on the Hub, `NAMESPACE/NAME`")
    private: bool = Field(True, description="Whether a repository that does not exist yet is created as private")


class PushResult(Schema):
    """Where a pushed version is stored."""

    version: Name = Field(description="Name of the version")
    url: str = Field(description="Address of the version on the Hub")
