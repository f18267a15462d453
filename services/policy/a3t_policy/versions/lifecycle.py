"""From settings to a version manager that has restored what was served and watches the registry."""

from __future__ import annotations

import asyncio

from a3t_contracts.registry import RegistryReader

from ..settings import PolicySettings
from .check import BaseFacts
from .manager import AdapterHost, VersionManager
from .state import StateFile

__all__ = ["open_versions"]


async def open_versions(
    host: AdapterHost, settings: PolicySettings, facts: BaseFacts
) -> tuple[VersionManager, asyncio.Task[None] | None]:
    """The manager, and the task that watches the registry where the settings ask for it."""
    registry = RegistryReader(settings.registry_url, settings.home / "policy" / "adapters")
    manager = VersionManager(host, registry, facts, settings.policy_max_adapters, StateFile(settings.state_file))
    await manager.restore(settings.policy_restore)
    seconds = settings.policy_watch_registry
    return manager, asyncio.create_task(manager.watch(seconds)) if seconds else None
