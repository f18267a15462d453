"""Chooses the episodes of a round's training set (paper §3), by pure functions of database rows."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..phases import Phase
from ..recipe import Pairing

__all__ = ["Candidate", "TrainingSet", "select_training_set"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An episode that was collected on a training task."""

    id: str
    round: int
    phase: str
    task_id: str
    sample: int
    success: bool
    actions: str
    """Hash that is equal for equal sequences of actions."""
    steps: int = 0

    @property
    def own_trial(self) -> bool:
        """Whether this is the agent's own single trial, without sampled actions."""
        return self.phase == Phase.rollout


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Ids of the successes and failures in the order of collection, and by reason the number of episodes that were left
    out."""

    successes: tuple[str, ...]
    failures: tuple[str, ...]
    dropped: dict[str, int]

    @property
    def members(self) -> list[tuple[str, bool]]:
        """Return the pair (id, success) of every member."""
        return [(i, True) for i in self.successes] + [(i, False) for i in self.failures]


def select_training_set(candidates: Iterable[Candidate], rules: Pairing, seed: int) -> TrainingSet:
    """Select the training set from all episodes so far.

    Successes that were demonstrated, prompted, composed or made by hindsight are kept; successes of the agent's own
    trial only with `own_successes`. Of several episodes of a task with the same actions, one is kept. The failure of
    the agent's own trial is kept if its task has a success within `scope`. Composed failures are never kept.
    """
    shortest = rules.prefer == "shortest"
    ordered = sorted(
        (c for c in candidates if Phase(c.phase).traits.collects),
        key=lambda c: (c.round, Phase(c.phase).order, c.task_id, c.steps if shortest else 0, c.sample),
    )
    dropped: Counter[str] = Counter()
    successes = _successes(ordered, rules, dropped)
    failures = _failures(ordered, successes, rules, dropped)
    failures = _bounded(failures, len(successes), rules.max_failure_share, seed, dropped)
    return TrainingSet(tuple(c.id for c in successes), tuple(c.id for c in failures), dict(dropped))


def _successes(ordered: Sequence[Candidate], rules: Pairing, dropped: Counter[str]) -> list[Candidate]:
    kept: list[Candidate] = []
    seen: set[tuple[str, str]] = set()
    per_task: Counter[tuple[int, str]] = Counter()
    for c in ordered:
        if not c.success and c.own_trial:
            continue  # `_failures` decides about it
        if not c.success:
            dropped["failed"] += 1
        elif c.own_trial and not rules.own_successes:
            dropped["own_success"] += 1
        elif (c.task_id, c.actions) in seen:
            dropped["duplicate"] += 1
        elif rules.max_successes_per_task and per_task[c.round, c.task_id] >= rules.max_successes_per_task:
            dropped["over_max_successes_per_task"] += 1
        else:
            seen.add((c.task_id, c.actions))
            per_task[c.round, c.task_id] += 1
            kept.append(c)
    return kept


def _failures(
    ordered: Sequence[Candidate], successes: Sequence[Candidate], rules: Pairing, dropped: Counter[str]
) -> list[Candidate]:
    if not rules.failures:
        return []
    tasks = {c.task_id for c in successes}
    in_round = {(c.round, c.task_id) for c in ordered if c.success}
    kept: list[Candidate] = []
    seen: set[tuple[str, str]] = set()
    for c in ordered:
        if c.success or not c.own_trial:
            continue
        paired = c.task_id in tasks and (rules.scope == "accumulated" or (c.round, c.task_id) in in_round)
        if not paired:
            dropped["unpaired_failure"] += 1
        elif (c.task_id, c.actions) in seen:
            dropped["duplicate"] += 1
        else:
            seen.add((c.task_id, c.actions))
            kept.append(c)
    return kept


def _bounded(
    failures: list[Candidate], successes: int, share: float | None, seed: int, dropped: Counter[str]
) -> list[Candidate]:
    """Limit the failures to `share` of the whole set. The seed decides which ones are kept."""
    if share is None:
        return failures
    most = int(successes * share / (1 - share))
    if len(failures) <= most:
        return failures
    dropped["over_max_failure_share"] += len(failures) - most
    stay = set(random.Random(seed).sample(range(len(failures)), most))
    return [c for i, c in enumerate(failures) if i in stay]
