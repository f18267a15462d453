"""The phases of a round. A new phase is one member here, and the function of the driver that does it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Phase", "Traits"]

_EVALUATION_KEYS = ("data.held_out", "evaluation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Properties of a phase that the rest of the orchestrator needs."""

    label: str
    """In words, for people who follow a run."""
    queue: str | None = None
    """The Celery queue of its work items; None for a phase that the driver does itself."""
    task: str = "a3t.run_episodes"
    """The Celery task that does its work items."""
    collects: bool = False
    """Whether its episodes may enter a training set."""
    scored: bool = True
    """Whether its episodes end in success or failure."""
    prompted: bool = False
    """Whether its episodes begin with the worked example if round 0 is few-shot."""
    decided_by: tuple[str, ...] = ()
    """Keys of the recipe that determine what the phase does, in addition to the phases before it."""


class Phase(StrEnum):
    """A phase of a round. Its value is the name in the database; members are in the order in which a round does
    them."""

    evaluate_base = (
        "evaluate_base",
        Traits(label="evaluation of the base", queue="evaluation", prompted=True, decided_by=_EVALUATION_KEYS),
    )
    demonstrate = (
        "demonstrate",
        Traits(label="demonstrations by the scripted expert", queue="rollout", collects=True),
    )
    annotate = (
        "annotate",
        Traits(label="reasons by ActRe", queue="annotation", task="a3t.annotate_episodes", scored=False),
    )
    few_shot = (
        "few_shot",
        Traits(label="episodes of the prompted base", queue="rollout", collects=True, prompted=True),
    )
    rollout = (
        "rollout",
        Traits(label="own trial on the training tasks", queue="rollout", collects=True),
    )
    compose = (
        "compose",
        Traits(label="composed episodes of failed tasks", queue="rollout", collects=True, decided_by=("compose",)),
    )
    train = (
        "train",
        Traits(label="training", scored=False, decided_by=("pairing", "training")),
    )
    go_live = (  # the database has it under the name that it had at first
        "publish",
        Traits(label="going live", scored=False),
    )
    evaluate = (
        "evaluate",
        Traits(label="evaluation", queue="evaluation", decided_by=_EVALUATION_KEYS),
    )

    traits: Traits

    def __new__(cls, name: str, *traits: Traits) -> Phase:
        """Make a member whose value is its name and whose traits are in `traits`."""
        member = str.__new__(cls, name)
        member._value_ = name
        (member.traits,) = traits
        return member

    @property
    def order(self) -> int:
        """Position among the phases of a round, from 0."""
        return list(Phase).index(self)

    @property
    def before_training(self) -> bool:
        """Whether it is done before the round's agent is trained."""
        return self.order < Phase.train.order
