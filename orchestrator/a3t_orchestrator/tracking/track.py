"""Sends finished rounds to experiment trackers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from sqlalchemy.orm import Session

from a3t_contracts.errors import UnavailableError

from ..report.collect import collect_report
from ..settings import OrchestratorSettings
from ..store import EpisodeFilter, Store, add_event, get_run, iter_trajectories, list_trajectories, rounds_of
from .figures import RoundNote, figures_of, samples_of
from .trackers import TRACKERS

__all__ = ["finished_rounds", "track_round", "track_safely"]

_SAMPLES = (("composed", True), ("policy", False), ("evaluation", True), ("evaluation", False), ("demonstration", True))
"""Kinds and outcomes of sample episodes; a round's table shows up to two episodes of each."""


def track_round(store: Store, settings: OrchestratorSettings, run: str, number: int, trackers: Sequence[str]) -> None:
    """Send a round to trackers. Raises UnavailableError if one of them is not installed."""
    if not trackers:
        return
    report = collect_report(store, run)
    with store.session() as session:
        config = dict(get_run(session, run).recipe)
        samples = samples_of(list(iter_trajectories(session, list(_sample_ids(session, run, number)))))
    empty = [dict.fromkeys(("id", "kind", "task", "type", "success", "reward", "steps", "text"), "")]
    folder = settings.home.expanduser() / "tracking"
    note = RoundNote(run, folder, config, number, figures_of(report, number), samples or empty)
    for name in trackers:
        try:
            TRACKERS[name](note)
        except ImportError as error:
            raise UnavailableError(
                f"The tracker {name} is not installed: {error}.", hint=f"Install {name}, or a3t-orchestrator[tracking]."
            ) from error


async def track_safely(
    store: Store, settings: OrchestratorSettings, run: str, number: int, trackers: Sequence[str]
) -> str | None:
    """Send a round to trackers. Returns what went wrong, which is also stored as an event, or None. Errors are not
    raised, because a tracker that does not answer must not stop a run."""
    import asyncio

    for name in trackers:
        try:
            await asyncio.to_thread(track_round, store, settings, run, number, [name])
        except Exception as error:  # the libraries may raise any exception
            words = f"The tracker {name} did not accept round {number}: {' '.join(str(error).split())[:500]}"
            note = partial(add_event, run=run, number=number, kind="tracking_failed", message=words, level="warn")
            await store.do(lambda session, note=note: note(session))  # type: ignore[misc]
            return words
    return None


def finished_rounds(session: Session, run: str) -> list[int]:
    """Numbers of the rounds that are finished. Raises NotFoundError for an unknown run."""
    get_run(session, run)
    return [row.round for row in rounds_of(session, run) if row.status == "finished"]


def _sample_ids(session: Session, run: str, number: int) -> Iterator[str]:
    for kind, success in _SAMPLES:
        where = EpisodeFilter(run=run, round=number, kind=kind, success=success)
        yield from (row.id for row in list_trajectories(session, where, 2))
