"""Settings of a pretraining run."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from a3t_contracts.schemas import Schema

__all__ = ["Environment", "ModelShape", "PretrainSettings", "default_settings"]

Environment = Literal["alfworld", "webshop"]
"""Environments that a base can be made for."""


class ModelShape(Schema):
    """The shape of a model with Mistral's architecture, as many key-value heads as heads, and tied embeddings."""

    hidden: int = Field(128, ge=32, multiple_of=2)
    layers: int = Field(4, ge=2)
    heads: int = Field(4, ge=2)
    head_size: int = Field(32, ge=16, multiple_of=2)
    feed_forward: int = Field(512, ge=16)
    positions: int = Field(4096, ge=512)
    rope_theta: float = Field(1e6, gt=1)


class PretrainSettings(Schema):
    """The settings of a run. The weights depend on them, on the corpus and on the machine."""

    environment: Environment = Field("alfworld", description="Environment in which the exercises are played")
    seed: int = Field(0, ge=0)
    games: int = Field(
        800, ge=1, description="Number of generated games in which the exercises are played; WebShop: of products"
    )
    exercises: int = Field(10_000, ge=1, description="Number of exercises in the corpus")
    tokens: int = Field(5_000_000, ge=1, description="Number of training tokens, without padding")
    tokens_per_step: int = Field(4096, ge=64, description="Number of tokens in an optimiser step, with padding")
    rate: float = Field(4e-3, gt=0, description="Peak learning rate of the matrices")
    warmup_steps: int = Field(60, ge=0)
    decay: float = Field(
        0.5, ge=0, le=1, description="Share of the run (0 to 1), at its end, over which the learning rate falls to 2 %"
    )
    shuffled: float = Field(0.5, ge=0, le=1, description="Share of exercises (0 to 1) whose names are permuted")
    held_out: int = Field(200, ge=1, description="Number of held-out exercises for the evaluation")
    checkpoint_steps: int = Field(50, ge=1)
    threads: int = Field(
        1, ge=1, description="Number of CPU threads; with 1, the weights do not depend on the machine's number of cores"
    )
    shape: ModelShape = Field(default_factory=ModelShape)


_DEFAULTS: dict[Environment, dict[str, Any]] = {
    "alfworld": {},
    "webshop": {"games": 2500, "exercises": 16_000, "tokens": 8_000_000},
}


def default_settings(environment: Environment, **given: Any) -> PretrainSettings:
    """The default settings of an environment's base, with the given ones (not None) in their place."""
    named = {key: value for key, value in given.items() if value is not None}
    return PretrainSettings.model_validate({"environment": environment, **_DEFAULTS[environment], **named})
