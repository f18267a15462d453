"""Computes a report from the database."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from a3t_contracts.schemas import Source, Trajectory

from ..phases import Phase
from ..store import (
    Round,
    Store,
    Tally,
    Trial,
    WorkItem,
    environment_of,
    evaluation_trials,
    get_job,
    get_run,
    lost_items,
    rounds_of,
    tallies,
    task_tallies,
    tasks_by_round,
    telling,
    training_counts,
    unfinished_phases,
)
from .model import Composition, Evaluated, KeptTask, Report, RoundReport, Spent
from .stats import Score, score, score_of

__all__ = ["collect_report"]

_EXAMPLES = 3


def collect_report(store: Store, run: str) -> Report:
    """Compute the report of a run, finished or not. Raises NotFoundError.

    Phases in which episodes are still being played get no scores, because the first episodes to end are short and
    mostly successful.
    """
    with store.session() as session:
        row = get_run(session, run)
        figures = _Figures.read(session, run, str(row.recipe["data"]["split"]))
        return Report(
            run=run,
            status=row.status,
            environment=row.environment,
            base_model=row.recipe["base_model"],
            seed=row.seed,
            commit=row.commit,
            recipe=row.recipe,
            recipe_sha256=row.recipe_sha256,
            created_at=row.created_at,
            finished_at=row.finished_at,
            error=row.error,
            base=_evaluations([t for t in figures.whole if t.phase == Phase.evaluate_base], {}),
            rounds=[_round(session, r, figures) for r in rounds_of(session, run)],
            kept=_kept(session, run),
            lost=[f"{i.phase}: {i.task_id} ({i.error})" for i in figures.lost],
            examples=_examples(session, run),
            published=environment_of(row).published,
        )


@dataclass(frozen=True, slots=True)
class _Figures:
    """The values that the rounds of a report are computed from."""

    train_split: str
    played: Sequence[Tally]
    whole: Sequence[Tally]
    """Tallies without the phases in which episodes are still being played."""
    trials: Mapping[int, Sequence[Trial]]
    failed_tasks: Mapping[int, int]
    rescued_tasks: Mapping[int, int]
    members: Mapping[int, tuple[int, int]]
    lost: Sequence[WorkItem]

    @classmethod
    def read(cls, session: Session, run: str, train_split: str) -> _Figures:
        played = tallies(session, run)
        to_come = unfinished_phases(session, run)
        return cls(
            train_split=train_split,
            played=played,
            whole=[t for t in played if (t.round, t.phase, t.split) not in to_come],
            trials={
                number: [t for t in found if (number, Phase.evaluate, t.split) not in to_come]
                for number, found in evaluation_trials(session, run, train_split).items()
            },
            failed_tasks=tasks_by_round(session, run, Phase.rollout, success=False),
            rescued_tasks=tasks_by_round(session, run, Phase.compose, success=True),
            members=training_counts(session, run),
            lost=lost_items(session, run),
        )


def _round(session: Session, row: Round, figures: _Figures) -> RoundReport:
    here = [t for t in figures.played if t.round == row.round]
    whole = [t for t in figures.whole if t.round == row.round]
    job = get_job(session, row.run, row.round)
    progress = job.progress if job is not None else {}
    held_out = [t for t in whole if t.phase == Phase.evaluate and t.split != figures.train_split]
    members = figures.members.get(row.round, (0, 0))
    return RoundReport(
        round=row.round,
        version=row.version,
        status=row.status,
        demonstrations=sum(t.successes for t in here if t.phase == Phase.demonstrate),
        trial=_score(t for t in whole if t.phase in (Phase.rollout, Phase.few_shot)),
        training=_training_score(figures.whole, row.round, figures.train_split),
        composition=_composition(row.round, here, figures),
        hindsight=_hindsight(here),
        training_successes=members[0],
        training_failures=members[1],
        loss=progress.get("loss"),
        loss_parts=progress.get("loss_parts") or {},
        evaluations=_evaluations(held_out, _accumulated(figures.trials, row.round)),
        lost=sum(item.round == row.round for item in figures.lost),
        stop_reasons=_stop_reasons(here),
        made_up_observations=_made_up(here),
        spent=_spent(row, here),
    )


def _training_score(whole: Sequence[Tally], number: int, train_split: str) -> Score | None:
    """Return the score of the round's agent on the training tasks: from its own trial in the next round, or for the
    last agent from its evaluation on these tasks."""
    tried = [t for t in whole if t.round == number + 1 and t.phase == Phase.rollout]
    evaluated = [t for t in whole if t.round == number and t.phase == Phase.evaluate and t.split == train_split]
    found = evaluated or tried
    return _score(found) if found else None


def _composition(number: int, here: Sequence[Tally], figures: _Figures) -> Composition:
    composed = [t for t in here if t.phase == Phase.compose]
    return Composition(
        failed_tasks=figures.failed_tasks.get(number, 0),
        composed=sum(t.episodes for t in composed),
        kept=sum(t.successes for t in composed),
        rescued=figures.rescued_tasks.get(number, 0),
        steps=sum(t.n_steps for t in composed),
        sampled_steps=sum(t.n_sampled for t in composed),
        sampled_by_coin=sum(t.n_sampled_coin for t in composed),
        sampled_by_invalid=sum(t.n_sampled_invalid for t in composed),
        hindsight=sum(_hindsight(here).values()),
    )


def _hindsight(here: Sequence[Tally]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for t in here:
        if t.phase == Phase.hindsight:
            found[t.task_type] += t.successes
    return dict(sorted(found.items()))


def _evaluations(now: Sequence[Tally], accumulated: Mapping[str, Score]) -> list[Evaluated]:
    """Return the scores of an agent by split. `accumulated`: scores over the rounds so far by split; a split without an
    entry has no earlier round."""
    result = []
    for split in sorted({t.split for t in now}):
        mine = [t for t in now if t.split == split]
        types: dict[str, list[Tally]] = defaultdict(list)
        for t in mine:
            types[t.task_type].append(t)
        single = _score(mine)
        result.append(
            Evaluated(
                split=split,
                single=single,
                accumulated=accumulated.get(split, single),
                by_type={name: _score(found) for name, found in sorted(types.items())},
            )
        )
    return result


def _accumulated(trials: Mapping[int, Sequence[Trial]], number: int) -> dict[str, Score]:
    """Return for each split the accumulated score: for each of the round's tasks the best trial of the agents so far,
    with one trial each."""
    best = {(t.split, t.task_id): (t.success, t.reward) for t in trials.get(number, ())}
    for earlier, found in trials.items():
        for t in found if earlier < number else ():
            key = (t.split, t.task_id)
            if key in best:
                best[key] = max(best[key], (t.success, t.reward))
    splits: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    for (split, _), outcome in best.items():
        splits[split].append(outcome)
    return {split: score_of(outcomes) for split, outcomes in splits.items()}


def _score(found: Iterable[Tally]) -> Score:
    tallied = list(found)
    return score(sum(t.episodes for t in tallied), sum(t.successes for t in tallied), sum(t.reward for t in tallied))


def _stop_reasons(here: Iterable[Tally]) -> dict[str, dict[str, int]]:
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for t in here:
        reasons[t.phase][t.stop_reason] += t.episodes
    return {phase: dict(counter) for phase, counter in reasons.items()}


def _made_up(here: Iterable[Tally]) -> dict[str, int]:
    turns: Counter[str] = Counter()
    for t in here:
        turns[t.phase] += t.n_made_up
    return dict(turns)


def _spent(row: Round, here: Sequence[Tally]) -> Spent:
    return Spent(
        seconds=row.seconds,
        episodes=sum(t.episodes for t in here if t.phase != Phase.hindsight),
        prompt_tokens=sum(t.prompt_tokens for t in here),
        completion_tokens=sum(t.completion_tokens for t in here),
    )


def _kept(session: Session, run: str) -> list[KeptTask]:
    kept = [
        KeptTask(task_id=t.task_id, task_type=t.task_type, composed=t.episodes, kept=t.successes)
        for t in task_tallies(session, run, Phase.compose)
    ]
    return sorted(kept, key=lambda k: (-k.kept, k.task_id))


def _examples(session: Session, run: str) -> list[Trajectory]:
    """Choose example episodes: composed successes with a valid sampled action, one per task, the shortest of the latest
    rounds."""
    chosen: dict[str, Trajectory] = {}
    for trajectory in telling(session, run):
        if trajectory.task_id not in chosen and any(s.source is Source.sampled and s.valid for s in trajectory.steps):
            chosen[trajectory.task_id] = trajectory
        if len(chosen) == _EXAMPLES:
            break
    return list(chosen.values())
