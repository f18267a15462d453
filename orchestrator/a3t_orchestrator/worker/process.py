"""Runs the process of a Celery worker, on all queues or those of `--queues`.

It uses threads, because it mostly waits for the services, which do the computing.
"""

from __future__ import annotations

from prometheus_client import start_http_server

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.logging import configure_logging
from a3t_contracts.program import program_parser
from a3t_contracts.tracing import start_tracing, stop_tracing, trace_queue

from ..queue import QUEUES, configure
from ..settings import OrchestratorSettings
from ..store import OUTAGE_SECONDS, Store
from .heartbeat import beat

__all__ = ["main"]

_ABOUT = (
    "Plays the episodes of the queue, and asks ActRe for reasons of finished ones, until it is stopped. Unfinished "
    "episodes then go back to the work list."
)


def main(arguments: list[str] | None = None) -> None:
    """Run until SIGTERM or SIGINT. Unfinished work items then go back to the work list."""
    parser = program_parser("python -m a3t_orchestrator.worker", _ABOUT, OrchestratorSettings)
    parser.add_argument(
        "--queues", default=",".join(QUEUES), help=f"queues to serve, separated by commas; default: {','.join(QUEUES)}"
    )
    queues = parser.parse_args(arguments).queues
    unknown = sorted(set(queues.split(",")) - set(QUEUES))
    if unknown:
        raise InvalidInputError(f"There are no queues {', '.join(unknown)}; the queues are {', '.join(QUEUES)}.")
    settings = OrchestratorSettings()
    if not settings.redis_url:
        raise InvalidInputError(
            "A3T_REDIS_URL is not set.", hint="Set it to the address of Redis, e.g. redis://host:6379/0."
        )
    configure_logging("worker", settings.log_level, settings.log_json)
    Store(settings.database).require_current(patience=OUTAGE_SECONDS)
    app = configure(settings)
    start_tracing("worker", settings)
    trace_queue()
    if settings.worker_heartbeat_file:
        beat(app, settings.worker_heartbeat_file)
    if settings.worker_metrics_port:
        start_http_server(settings.worker_metrics_port)
    try:
        app.worker_main(
            [
                "worker",
                "--pool=threads",
                f"--concurrency={settings.worker_threads}",
                f"--queues={queues}",
                "--without-gossip",
                "--without-mingle",
                f"--loglevel={settings.log_level}",
            ]
        )
    finally:
        stop_tracing()
