"""Reads and stores the state and the progress of runs."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from a3t_contracts.errors import Problem
from a3t_contracts.schemas import RunInfo, RunProgress, RunStatus, Wanted

from ..phases import Phase
from .episodes import count_successes
from .leases import Driver, driver_of, drivers
from .runs import get_run, list_runs
from .tables import Run, RunProgressRow, utc_now
from .work import PhaseKey, phase_counts

__all__ = ["progress_of", "run_info", "run_infos", "save_progress"]


def run_infos(session: Session, limit: int = 100) -> list[RunInfo]:
    """Return at most `limit` runs, the newest first."""
    driven = drivers(session)
    return [_info(run, driven.get(run.name)) for run in list_runs(session, limit)]


def run_info(session: Session, name: str) -> RunInfo:
    """Return one run. Raises NotFoundError."""
    return _info(get_run(session, name), driver_of(session, name))


def save_progress(session: Session, run: str, values: dict[str, Any]) -> None:
    """Store the progress of a run. `values`: fields of RunProgress, except those that the table of runs has."""
    row = session.get(RunProgressRow, run)
    if row is None:
        session.add(RunProgressRow(run=run, data=values))
    else:
        row.data, row.updated_at = values, utc_now()


def progress_of(session: Session, name: str) -> RunProgress:
    """Return the progress of a run: as its driver stored it for the current phase, else counted. Raises
    NotFoundError."""
    run = get_run(session, name)
    row = session.get(RunProgressRow, name)
    stored = dict(row.data) if row is not None else {}
    if (stored.get("round"), stored.get("phase")) != (run.round, run.phase):
        stored = _counted(session, run)
    elif row is not None:
        stored["updated_at"] = row.updated_at
    traits = Phase(run.phase).traits if run.phase else None
    return RunProgress.model_validate(
        stored
        | {
            "run": name,
            "status": RunStatus(run.status),
            "wanted": Wanted(run.wanted),
            "round": run.round,
            "rounds": int(run.recipe["rounds"]),
            "phase": run.phase,
            "label": traits.label if traits else "",
            "scored": traits.scored if traits else True,
        }
    )


def _counted(session: Session, run: Run) -> dict[str, Any]:
    if not run.phase:
        return {}
    key = PhaseKey(run.name, run.round, Phase(run.phase))
    counts = phase_counts(session, key)
    total = sum(count for state, count in counts.items() if state != "dropped")
    successes = count_successes(session, key)
    return {"total": total, "done": counts.get("done", 0), "lost": counts.get("lost", 0), "successes": successes}


def _info(run: Run, driver: Driver | None) -> RunInfo:
    problem = run.details.get("problem")
    return RunInfo(
        name=run.name,
        recipe=str(run.recipe["name"]),
        environment=run.environment,
        status=RunStatus(run.status),
        wanted=Wanted(run.wanted),
        round=run.round,
        rounds=int(run.recipe["rounds"]),
        phase=run.phase,
        seed=run.seed,
        commit=run.commit,
        source=run.source,
        driver=driver.words if driver is not None else None,
        error=run.error,
        problem=Problem.model_validate(problem) if problem else None,
        created_at=run.created_at,
        updated_at=run.updated_at,
        finished_at=run.finished_at,
    )
