"""Collects the figures of a round, under the names that all trackers show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from a3t_contracts.react import render_trajectory
from a3t_contracts.schemas import Trajectory

from ..report.model import Report, RoundReport

__all__ = ["RoundNote", "figures_of", "samples_of"]

_LONGEST = 4_000
"""Largest number of characters of an episode's text in a table."""


@dataclass(frozen=True, slots=True)
class RoundNote:
    """The data of a round that a tracker receives."""

    run: str
    folder: Path
    """Folder in which trackers without a server keep their files."""
    config: dict[str, Any]
    round: int
    figures: dict[str, float]
    samples: list[dict[str, Any]] = field(default_factory=list)
    """Rows of the table of sample episodes, all with the same keys."""


def figures_of(report: Report, number: int) -> dict[str, float]:
    """Return the figures of a round by name: success by split and type, exploration, training set, tokens, seconds."""
    (round_,) = [row for row in report.rounds if row.round == number]
    return dict(_figures(round_))


def samples_of(episodes: list[Trajectory]) -> list[dict[str, Any]]:
    """Return episodes as rows of a table."""
    return [
        {
            "id": episode.id,
            "kind": episode.kind.value,
            "task": episode.task_id,
            "type": episode.task_type,
            "success": episode.success,
            "reward": episode.reward,
            "steps": len(episode.steps),
            "text": "".join(segment.text for segment in render_trajectory(episode))[:_LONGEST],
        }
        for episode in episodes
    ]


def _figures(row: RoundReport) -> Iterator[tuple[str, float]]:
    for found in row.evaluations:
        yield f"success/{found.split}", found.single.rate
        yield f"success_accumulated/{found.split}", found.accumulated.rate
        for kind, score in found.by_type.items():
            yield f"success_by_type/{found.split}/{kind or 'none'}", score.rate
    if row.trial.n:
        yield "success/training_trial", row.trial.rate
    if row.training is not None:
        yield "success/training", row.training.rate
    for name, value in row.composition.model_dump().items():
        yield f"exploration/{name}", float(value)
    yield "training_set/successes", float(row.training_successes)
    yield "training_set/failures", float(row.training_failures)
    if row.loss is not None:
        yield "training/loss", row.loss
    yield "cost/episodes", float(row.spent.episodes)
    yield "cost/prompt_tokens", float(row.spent.prompt_tokens)
    yield "cost/completion_tokens", float(row.spent.completion_tokens)
    yield "cost/seconds", float(sum(row.spent.seconds.values()))
    for phase, seconds in row.spent.seconds.items():
        yield f"seconds/{phase}", float(seconds)
    yield "lost_episodes", float(row.lost)
