"""Reading a report out of the database."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from a3t_contracts.schemas import Source, Trajectory

from ..phases import Phase
from ..store import (
    Round,
    Store,
    TrajectoryRow,
    environment_of,
    get_job,
    get_run,
    lost_items,
    rounds_of,
    to_trajectory,
    training_counts,
    unfinished_phases,
)
from .model import Composition, Evaluated, KeptTask, Report, RoundReport, Spent
from .stats import Score, score_of

__all__ = ["collect_report"]

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A trajectory without its steps."""

    id: str
    round: int
    phase: str
    split: str
    task_id: str
    task_type: str
    success: bool
    reward: float
    stop_reason: str
    n_sampled: int
    n_made_up: int
    prompt_tokens: int
    completion_tokens: int
    created_at: object


def collect_report(store: Store, run: str) -> Report:
    """The report of a run, finished or not. Raises NotFoundError.

    Scores of what is still being played are left out: the first episodes to end are the short ones, mostly solved.
    """
    with store.session() as session:
        row = get_run(session, run)
        outcomes = _outcomes(session, run)
        train_split = str(row.recipe["data"]["split"])
        counts, lost = training_counts(session, run), lost_items(session, run)
        lost_by_round = Counter(item.round for item in lost)
        to_come = unfinished_phases(session, run)
        whole = [o for o in outcomes if (o.round, o.phase, o.split) not in to_come]
        rounds = [
            _round(session, r, outcomes, whole, train_split, counts.get(r.round, (0, 0)), lost_by_round[r.round])
            for r in rounds_of(session, run)
        ]
        base = _evaluations([o for o in whole if o.phase == Phase.evaluate_base], [])
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
            base=base,
            rounds=rounds,
            kept=_kept(outcomes),
            lost=[f"{i.phase}: {i.task_id} ({i.error})" for i in lost],
            examples=_examples(session, outcomes),
            published=environment_of(row).published,
        )


def _outcomes(session: Session, run: str) -> list[_Outcome]:
    columns = [getattr(TrajectoryRow, name) for name in _Outcome.__dataclass_fields__]
    query = select(*columns).where(TrajectoryRow.run == run).order_by(TrajectoryRow.round, TrajectoryRow.id)
    return [_Outcome(*row) for row in session.execute(query)]


def _round(
    session: Session,
    row: Round,
    outcomes: Sequence[_Outcome],
    whole: Sequence[_Outcome],
    train_split: str,
    members: tuple[int, int],
    lost: int,
) -> RoundReport:
    here = [o for o in outcomes if o.round == row.round]
    job = get_job(session, row.run, row.round)
    progress = job.progress if job is not None else {}
    held_out = [o for o in whole if o.phase == Phase.evaluate and o.split != train_split]
    return RoundReport(
        round=row.round,
        version=row.version,
        status=row.status,
        demonstrations=sum(o.phase == Phase.demonstrate and o.success for o in here),
        trial=_score(o for o in whole if o.round == row.round and o.phase in (Phase.rollout, Phase.few_shot)),
        training=_training_score(whole, row.round, train_split),
        composition=_composition(session, row, here),
        training_successes=members[0],
        training_failures=members[1],
        loss=progress.get("loss"),
        loss_parts=progress.get("loss_parts") or {},
        evaluations=_evaluations(
            [o for o in held_out if o.round == row.round], [o for o in held_out if o.round < row.round]
        ),
        lost=lost,
        stop_reasons=_stop_reasons(here),
        made_up_observations=_made_up(here),
        spent=_spent(row, here),
    )


def _training_score(outcomes: Sequence[_Outcome], number: int, train_split: str) -> Score | None:
    """The round's agent makes its own trial in the next round; the last one is evaluated on the training tasks."""
    tried = [o for o in outcomes if o.round == number + 1 and o.phase == Phase.rollout]
    measured = [o for o in outcomes if o.round == number and o.phase == Phase.evaluate and o.split == train_split]
    found = measured or tried
    return _score(found) if found else None


def _composition(session: Session, row: Round, here: Sequence[_Outcome]) -> Composition:
    composed = [o for o in here if o.phase == Phase.compose]
    triggers = _triggers(session, row) if composed else Counter()
    return Composition(
        failed_tasks=len({o.task_id for o in here if o.phase == Phase.rollout and not o.success}),
        composed=len(composed),
        kept=sum(o.success for o in composed),
        rescued=len({o.task_id for o in composed if o.success}),
        sampled_steps=sum(o.n_sampled for o in composed),
        sampled_by_coin=triggers["coin"],
        sampled_by_invalid=triggers["invalid"],
    )


def _triggers(session: Session, row: Round) -> Counter[str]:
    query = select(TrajectoryRow.steps).where(
        TrajectoryRow.run == row.run,
        TrajectoryRow.round == row.round,
        TrajectoryRow.phase == Phase.compose,
        TrajectoryRow.n_sampled > 0,
    )
    steps = (step for found in session.scalars(query.execution_options(yield_per=200)) for step in found)
    return Counter(step["trigger"] for step in steps if step.get("trigger"))


def _evaluations(now: Sequence[_Outcome], before: Sequence[_Outcome]) -> list[Evaluated]:
    result = []
    for split in sorted({o.split for o in now}):
        mine = [o for o in now if o.split == split]
        types: dict[str, list[_Outcome]] = defaultdict(list)
        for o in mine:
            types[o.task_type].append(o)
        result.append(
            Evaluated(
                split=split,
                single=_score(mine),
                accumulated=_accumulated(mine, [o for o in before if o.split == split]),
                by_type={name: _score(found) for name, found in sorted(types.items())},
            )
        )
    return result


def _accumulated(now: Sequence[_Outcome], before: Iterable[_Outcome]) -> Score:
    """The best reward of each task over the agents so far, one trial each."""
    best = {o.task_id: (o.success, o.reward) for o in now}
    for o in before:
        if o.task_id in best:
            best[o.task_id] = max(best[o.task_id], (o.success, o.reward))
    return score_of(best.values())


def _score(outcomes: Iterable[_Outcome]) -> Score:
    return score_of((o.success, o.reward) for o in outcomes)


def _stop_reasons(here: Iterable[_Outcome]) -> dict[str, dict[str, int]]:
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for o in here:
        reasons[o.phase][o.stop_reason] += 1
    return {phase: dict(counter) for phase, counter in reasons.items()}


def _made_up(here: Iterable[_Outcome]) -> dict[str, int]:
    turns: Counter[str] = Counter()
    for o in here:
        turns[o.phase] += o.n_made_up
    return dict(turns)


def _spent(row: Round, here: Sequence[_Outcome]) -> Spent:
    return Spent(
        seconds=row.seconds,
        episodes=len(here),
        prompt_tokens=sum(o.prompt_tokens for o in here),
        completion_tokens=sum(o.completion_tokens for o in here),
    )


def _kept(outcomes: Iterable[_Outcome]) -> list[KeptTask]:
    tasks: dict[str, list[_Outcome]] = defaultdict(list)
    for o in outcomes:
        if o.phase == Phase.compose:
            tasks[o.task_id].append(o)
    kept = [
        KeptTask(task_id=t, task_type=found[0].task_type, composed=len(found), kept=sum(o.success for o in found))
        for t, found in tasks.items()
    ]
    return sorted(kept, key=lambda k: (-k.kept, k.task_id))


def _examples(session: Session, outcomes: Iterable[_Outcome]) -> list[Trajectory]:
    """Composed successes in which a sampled action was valid, one a task, the shortest of the latest rounds."""
    ids = [o.id for o in outcomes if o.phase == Phase.compose and o.success and o.n_sampled]
    rows = session.scalars(
        select(TrajectoryRow)
        .where(TrajectoryRow.id.in_(ids[-500:]))
        .order_by(TrajectoryRow.round.desc(), TrajectoryRow.n_steps, TrajectoryRow.id)
    )
    chosen: dict[str, Trajectory] = {}
    for row in rows:
        trajectory = to_trajectory(row)
        if row.task_id not in chosen and any(s.source is Source.sampled and s.valid for s in trajectory.steps):
            chosen[row.task_id] = trajectory
        if len(chosen) == _EXAMPLES:
            break
    return list(chosen.values())
