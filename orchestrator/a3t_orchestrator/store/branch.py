"""Copies rounds, episodes and work items of one run into another that starts from it (`a3t run --from`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from a3t_contracts.schemas import TrajectoryKind, trajectory_id

from ..phases import Phase
from .episodes import insert_trajectories, whole_rows
from .records import get_job, open_round, set_training_members, spend
from .tables import Base, Job, TrainingMember, TrajectoryRow, WorkItem
from .work import ANNOTATION, PhaseKey, insert_new

__all__ = ["copy_phase", "copy_round_end", "phases_of"]


def phases_of(session: Session, run: str) -> list[PhaseKey]:
    """Return the phases that a run has begun, in the order in which a round carries them out."""
    items = session.execute(select(WorkItem.round, WorkItem.phase).where(WorkItem.run == run).distinct())
    found = {PhaseKey(run, number, Phase(phase)) for number, phase in items}
    jobs = session.scalars(select(Job.round).where(Job.run == run))
    found |= {PhaseKey(run, number, Phase.train) for number in jobs}
    return sorted(found, key=lambda key: (key.round, key.phase.order))


def copy_phase(session: Session, key: PhaseKey, target: str) -> None:
    """Copy work items, trajectories and seconds of a phase, under the ids that they get in `target`."""
    items = session.scalars(select(WorkItem).where(*_of(WorkItem, key)))
    insert_new(session, WorkItem, [_copied(row, target) for row in items])
    made = [key, replace(key, phase=Phase.hindsight)] if key.phase is Phase.compose else [key]
    of_phase = or_(*(and_(*_of(TrajectoryRow, one)) for one in made))
    ids = list(session.scalars(select(TrajectoryRow.id).where(of_phase).order_by(TrajectoryRow.number)))
    for rows in whole_rows(session, ids):
        insert_trajectories(session, [(_copied(row, target), _copied_texts(row, target)) for row in rows])
    spend(session, target, key.round, key.phase, open_round(session, key.run, key.round).seconds.get(key.phase, 0.0))


def copy_round_end(session: Session, source: str, target: str, number: int) -> None:
    """Copy the adapter version of a finished round, its job and its training set."""
    theirs, ours = open_round(session, source, number), open_round(session, target, number)
    ours.version, ours.status, ours.finished_at = theirs.version, theirs.status, theirs.finished_at
    job = get_job(session, source, number)
    if job is not None:
        session.add(Job(**_values(job) | {"run": target}))
    query = (
        select(TrajectoryRow, TrainingMember.success)
        .join(TrainingMember, TrainingMember.trajectory_id == TrajectoryRow.id)
        .where(TrainingMember.run == source, TrainingMember.round == number)
        .order_by(TrajectoryRow.id)
    )
    members = [(_id_in(target, row), success) for row, success in session.execute(query)]
    set_training_members(session, target, number, members)


def _id_in(target: str, row: TrajectoryRow) -> str:
    return trajectory_id(target, row.round, row.task_id, row.kind, row.sample)


def _copied(row: WorkItem | TrajectoryRow, target: str) -> dict[str, Any]:
    kind = ANNOTATION if isinstance(row, WorkItem) and row.phase == Phase.annotate else row.kind
    return _values(row) | {"run": target, "id": trajectory_id(target, row.round, row.task_id, kind, row.sample)}


def _copied_texts(row: TrajectoryRow, target: str) -> dict[str, Any]:
    """The large part of a trajectory. One made by hindsight names the episode that it was made from by its id in
    `target`."""
    texts = _values(row.texts)
    if row.phase == Phase.hindsight:
        made_from = dict(row.details["hindsight"])
        kind = TrajectoryKind.composed
        made_from["episode"] = trajectory_id(target, row.round, made_from["task_id"], kind, row.sample)
        texts["details"] = row.details | {"hindsight": made_from}
    return texts


def _values(row: Base) -> dict[str, Any]:
    """Return all columns except `number`, which counts the rows of a table."""
    return {column.name: getattr(row, column.name) for column in row.__table__.columns if column.name != "number"}


def _of(table: type[WorkItem] | type[TrajectoryRow], key: PhaseKey) -> tuple[Any, ...]:
    return table.run == key.run, table.round == key.round, table.phase == key.phase
