"""Sections of a recipe that say how adapters are trained."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from a3t_contracts.schemas import Objective, ObjectiveName, Optimisation, TrainingSettings

__all__ = ["Round0Training", "Training"]


def _with_defaults(**defaults: Any) -> BeforeValidator:
    """Make a validator that fills in the keys that a recipe leaves out, in a section whose defaults differ from those
    of its schema."""
    return BeforeValidator(lambda given: {**defaults, **given} if isinstance(given, dict) else given)


class Round0Training(TrainingSettings):
    """How round 0 trains. The paper trains on successes only (`sft`) for 10 epochs."""

    objective: Annotated[Objective, _with_defaults(name=ObjectiveName.sft)] = Field(
        default_factory=lambda: Objective(name=ObjectiveName.sft), description="What training maximises"
    )
    optimisation: Annotated[Optimisation, _with_defaults(epochs=10)] = Field(
        default_factory=lambda: Optimisation(epochs=10), description="Optimiser, schedule and batches"
    )


class Training(TrainingSettings):
    """How rounds 1 and later train. `round0` holds the settings of round 0."""

    start: Literal["restart", "continue"] = Field(
        "restart",
        description="Which weights a round starts from. `restart`: the base model. `continue`: the adapter of the "
        "round before",
    )
    optimisation: Annotated[Optimisation, _with_defaults(average_checkpoints=4)] = Field(
        default_factory=lambda: Optimisation(average_checkpoints=4), description="Optimiser, schedule and batches"
    )
    round0: Round0Training = Field(default_factory=Round0Training, description="Settings of round 0")

    @model_validator(mode="after")
    def _continue_keeps_shape(self) -> Training:
        ours, first = self.lora, self.round0.lora
        if self.start == "continue" and (ours.rank, ours.target_modules) != (first.rank, first.target_modules):
            raise ValueError(
                "training.start is continue, so training.lora and training.round0.lora must have the same rank and "
                "layers"
            )
        return self
