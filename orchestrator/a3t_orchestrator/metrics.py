"""Prometheus metrics that the orchestrator reads from the database and the queue when it is asked."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from a3t_contracts.errors import UnavailableError
from a3t_contracts.logging import get_logger
from a3t_contracts.schemas import RunStatus

from .queue import QUEUES, queue_lengths
from .settings import OrchestratorSettings
from .store import Store, active_rounds, count_failures, run_counts

__all__ = ["lengths", "watch"]

log = get_logger(__name__)


def watch(store: Store, settings: OrchestratorSettings) -> None:
    """Add metrics of the runs in this database and of the queues, which are read whenever Prometheus asks."""
    told = _told()
    told.store, told.settings = store, settings


def lengths(settings: OrchestratorSettings) -> dict[str, int]:
    """Return the number of tasks in each queue; empty if no queue is configured. Raises UnavailableError if Redis
    cannot be reached."""
    if not settings.redis_url:
        return {}
    try:
        return queue_lengths(settings.redis_url)
    except RedisError as error:
        raise UnavailableError(
            f"The queue cannot be reached: {error}.", hint="Check A3T_REDIS_URL, and that Redis runs."
        ) from error


class _Told(Collector):
    """Collects the metrics of the app that was made last in this process."""

    store: Store | None = None
    settings: OrchestratorSettings | None = None

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return metrics of queues, runs and failures. If Redis cannot be reached, queues have the length −1; if the
        database cannot be reached, its metrics are missing."""
        queued = GaugeMetricFamily("a3t_queue_length", "Queue tasks that no worker has taken yet", labels=["queue"])
        by_status = GaugeMetricFamily("a3t_runs", "Runs", labels=["status"])
        rounds = GaugeMetricFamily("a3t_run_round", "Round of each run that is under way", labels=["run", "phase"])
        lost = GaugeMetricFamily(
            "a3t_episodes_given_up", "Episodes that were given up and were neither retried nor dropped"
        )
        if self.settings is not None:
            for queue, length in _known_lengths(self.settings).items():
                queued.add_metric([queue], length)
        if self.store is not None:
            try:
                with self.store.session() as session:
                    _add_runs(session, by_status, rounds)
                    lost.add_metric([], count_failures(session))
            except SQLAlchemyError as error:
                log.warning("metrics.database_away", error=str(error).splitlines()[0])
        return queued, by_status, rounds, lost


@cache
def _told() -> _Told:
    told = _Told()
    REGISTRY.register(told)
    return told


def _known_lengths(settings: OrchestratorSettings) -> dict[str, float]:
    try:
        found = lengths(settings)
    except UnavailableError:
        return dict.fromkeys(QUEUES, -1.0)
    return {queue: float(found.get(queue, 0)) for queue in QUEUES}


def _add_runs(session: Session, by_status: GaugeMetricFamily, rounds: GaugeMetricFamily) -> None:
    counts = run_counts(session)
    for status in RunStatus:
        by_status.add_metric([status.value], counts.get(status.value, 0))
    for name, number, phase in active_rounds(session):
        rounds.add_metric([name, phase or ""], number)
