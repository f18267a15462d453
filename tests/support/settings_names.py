"""Which `A3T_…` variables a container understands: a misspelt one would be ignored in silence."""

from __future__ import annotations

from collections.abc import Iterable

from a3t_actre.settings import ActReSettings
from a3t_contracts.settings import ServiceSettings
from a3t_env.settings import EnvSettings
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_policy.settings import PolicySettings
from a3t_trainer.settings import TrainerSettings

__all__ = ["unknown_variables"]

_SETTINGS: dict[str, type[ServiceSettings]] = {
    "env": EnvSettings,
    "games": EnvSettings,
    "policy": PolicySettings,
    "actre": ActReSettings,
    "trainer": TrainerSettings,
    "orchestrator": OrchestratorSettings,
    "worker": OrchestratorSettings,
    "migrate": OrchestratorSettings,
    "episode": OrchestratorSettings,
    "a3t": OrchestratorSettings,
}
_OTHERS = {"games": {"A3T_SEED_GAMES"}}


def unknown_variables(container: str, names: Iterable[str]) -> set[str]:
    """Those `A3T_…` variables among `names` that the container of this name does not read."""
    if container not in _SETTINGS:
        return set()
    known = {f"A3T_{field.upper()}" for field in _SETTINGS[container].model_fields} | _OTHERS.get(container, set())
    return {name for name in names if name.startswith("A3T_")} - known
