"""Reading a report out of the database."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy.orm import Session

from a3t_contracts.schemas import Source, Trajectory

from ..phases import Phase
from ..store import (
    Outcome,
    PhaseKey,
    Round,
    Store,
    environment_of,
    get_job,
    get_run,
    latest_and_shortest,
    list_outcomes,
    lost_items,
    rounds_of,
    sampling_triggers,
    training_counts,
    unfinished_phases,
)
from .model import Composition, Evaluated, KeptTask, Report, RoundReport, Spent
from .stats import Score, score_of

__all__ = ["collect_report"]

_EXAMPLES = 3


def collect_report(store: Store, run: str) -> Report:
    """The report of a run, finished or not. Raises NotFoundError.

    Scores of what is still being played are left out: the first episodes to end are the short ones, mostly solved.
    """
    with store.session() as session:
        row = get_run(session, run)
        outcomes = list_outcomes(session, run)
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


def _round(
    session: Session,
    row: Round,
    outcomes: Sequence[Outcome],
    whole: Sequence[Outcome],
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


def _training_score(outcomes: Sequence[Outcome], number: int, train_split: str) -> Score | None:
    """The round's agent makes its own trial in the next round; the last one is evaluated on the training tasks."""
    tried = [o for o in outcomes if o.round == number + 1 and o.phase == Phase.rollout]
    evaluated = [o for o in outcomes if o.round == number and o.phase == Phase.evaluate and o.split == train_split]
    found = evaluated or tried
    return _score(found) if found else None


def _composition(session: Session, row: Round, here: Sequence[Outcome]) -> Composition:
    composed = [o for o in here if o.phase == Phase.compose]
    triggers = sampling_triggers(session, PhaseKey(row.run, row.round, Phase.compose)) if composed else Counter()
    return Composition(
        failed_tasks=len({o.task_id for o in here if o.phase == Phase.rollout and not o.success}),
        composed=len(composed),
        kept=sum(o.success for o in composed),
        rescued=len({o.task_id for o in composed if o.success}),
        sampled_steps=sum(o.n_sampled for o in composed),
        sampled_by_coin=triggers["coin"],
        sampled_by_invalid=triggers["invalid"],
    )


def _evaluations(now: Sequence[Outcome], before: Sequence[Outcome]) -> list[Evaluated]:
    result = []
    for split in sorted({o.split for o in now}):
        mine = [o for o in now if o.split == split]
        types: dict[str, list[Outcome]] = defaultdict(list)
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


def _accumulated(now: Sequence[Outcome], before: Iterable[Outcome]) -> Score:
    """The best reward of each task over the agents so far, one trial each."""
    best = {o.task_id: (o.success, o.reward) for o in now}
    for o in before:
        if o.task_id in best:
            best[o.task_id] = max(best[o.task_id], (o.success, o.reward))
    return score_of(best.values())


def _score(outcomes: Iterable[Outcome]) -> Score:
    return score_of((o.success, o.reward) for o in outcomes)


def _stop_reasons(here: Iterable[Outcome]) -> dict[str, dict[str, int]]:
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for o in here:
        reasons[o.phase][o.stop_reason] += 1
    return {phase: dict(counter) for phase, counter in reasons.items()}


def _made_up(here: Iterable[Outcome]) -> dict[str, int]:
    turns: Counter[str] = Counter()
    for o in here:
        turns[o.phase] += o.n_made_up
    return dict(turns)


def _spent(row: Round, here: Sequence[Outcome]) -> Spent:
    return Spent(
        seconds=row.seconds,
        episodes=len(here),
        prompt_tokens=sum(o.prompt_tokens for o in here),
        completion_tokens=sum(o.completion_tokens for o in here),
    )


def _kept(outcomes: Iterable[Outcome]) -> list[KeptTask]:
    tasks: dict[str, list[Outcome]] = defaultdict(list)
    for o in outcomes:
        if o.phase == Phase.compose:
            tasks[o.task_id].append(o)
    kept = [
        KeptTask(task_id=t, task_type=found[0].task_type, composed=len(found), kept=sum(o.success for o in found))
        for t, found in tasks.items()
    ]
    return sorted(kept, key=lambda k: (-k.kept, k.task_id))


def _examples(session: Session, outcomes: Iterable[Outcome]) -> list[Trajectory]:
    """Composed successes in which a sampled action was valid, one a task, the shortest of the latest rounds."""
    ids = [o.id for o in outcomes if o.phase == Phase.compose and o.success and o.n_sampled]
    chosen: dict[str, Trajectory] = {}
    for trajectory in latest_and_shortest(session, ids[-500:]):
        if trajectory.task_id not in chosen and any(s.source is Source.sampled and s.valid for s in trajectory.steps):
            chosen[trajectory.task_id] = trajectory
        if len(chosen) == _EXAMPLES:
            break
    return list(chosen.values())
