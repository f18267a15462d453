"""The phases of a round. A new phase needs a member here, and a function of the driver that carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Phase", "Traits"]

_EVALUATION_KEYS = ("data.held_out", "evaluation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Properties of a phase that the rest of the orchestrator needs."""

    label: str
    """The phase in words, for users who follow a run."""
    queue: str | None = None
    """The Celery queue of its work items; None for a phase that the driver carries out itself."""
    task: str = "a3t.run_episodes"
    """Name of the Celery task that carries out its work items."""
    collects: bool = False
    """Whether its episodes may enter a training set."""
    scored: bool = True
    """Whether its episodes end in success or failure."""
    prompted: bool = False
    """Whether its episodes begin with the worked example if round 0 is few-shot."""
    decided_by: tuple[str, ...] = ()
    """Keys of the recipe that determine what the phase does, in addition to the phases before it."""


class Phase(StrEnum):
    """A phase of a round. Its value is the name in the database; the members are in the order in which a round carries
    them out."""

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
    hindsight = (  # workers make its episodes along with those of `compose`; it has no work items
        "hindsight",
        Traits(label="failed episodes as successes of another task", collects=True, decided_by=("compose",)),
    )
    train = (
        "train",
        Traits(label="training", scored=False, decided_by=("pairing", "training")),
    )
    go_live = (  # its value in the database is the name that it had at first
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
        """Whether the phase comes before the training of the round's agent."""
        return self.order < Phase.train.order
