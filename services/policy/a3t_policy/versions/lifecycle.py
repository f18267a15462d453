"""From settings to versions that are served again after a start, and to the rule of which one is live."""

from __future__ import annotations

from a3t_contracts.clients import TrainerClient
from a3t_contracts.registry import RegistryReader

from ..settings import PolicySettings
from .check import BaseFacts
from .live import Live, OwnLive, Promote, RegistryLive
from .manager import AdapterHost, VersionManager
from .state import StateFile

__all__ = ["open_versions"]


async def open_versions(host: AdapterHost, settings: PolicySettings, facts: BaseFacts) -> tuple[VersionManager, Live]:
    """The versions, and what decides which one is live; both restored. Close the latter."""
    registry = RegistryReader(settings.registry_url, settings.home / "policy" / "adapters")
    versions = VersionManager(host, registry, facts, settings.policy_max_adapters, StateFile(settings.state_file))
    restore = settings.policy_restore == "state"
    live: Live = (
        OwnLive(versions, restore)
        if settings.policy_live == "own"
        else RegistryLive(versions, restore, _promoter(settings), settings.policy_watch_registry)
    )
    await live.start()
    return versions, live


def _promoter(settings: PolicySettings) -> Promote | None:
    """Moves the pointer through the trainer service; None where none is named."""
    url = settings.trainer_url
    if not url:
        return None

    async def promote(version: str) -> None:
        async with TrainerClient(url, settings.token.get_secret_value()) as trainer:
            await trainer.promote(version)

    return promote
