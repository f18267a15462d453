"""The queue: Celery on Redis. It only transports work; the database has the list of work.

Messages are JSON. A task is acknowledged after it has ended, and a worker takes no more tasks than it runs. The list of
work in the database limits how often an item is delivered again. Tasks that no worker has taken stay in the Redis list,
whose length autoscalers read.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from celery import Celery
from kombu import Queue

from .phases import Phase
from .settings import OrchestratorSettings

__all__ = ["QUEUES", "app", "configure", "queue_lengths", "redis_client"]

QUEUES = tuple(dict.fromkeys(phase.traits.queue for phase in Phase if phase.traits.queue))

app = Celery("a3t", include=["a3t_orchestrator.worker.tasks"])


def configure(settings: OrchestratorSettings) -> Celery:
    """Connect the Celery app to the Redis of the settings. If the Redis is another one than before, the connections to
    the former one are dropped. Celery stores no results, because results are in the database."""
    if app.conf.broker_url not in (None, settings.redis_url):
        _leave_broker()
    app.conf.update(
        broker_url=settings.redis_url,
        broker_transport_options={
            "visibility_timeout": settings.visibility_timeout,
            "socket_keepalive": True,
            "health_check_interval": 30,
        },
        visibility_timeout=settings.visibility_timeout,
        task_ignore_result=True,
        task_serializer="json",
        result_serializer="json",
        event_serializer="json",
        accept_content=["json"],
        result_accept_content=["json"],
        task_acks_late=True,
        task_acks_on_failure_or_timeout=True,
        task_reject_on_worker_lost=True,
        task_queues=[Queue(name) for name in QUEUES],
        task_default_queue="rollout",
        task_create_missing_queues=False,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_soft_shutdown_timeout=30.0,
        worker_enable_soft_shutdown_on_idle=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_publish_retry_policy={"max_retries": 5, "interval_start": 0.2, "interval_step": 0.5, "interval_max": 2.0},
        enable_utc=True,
    )
    return app


def _leave_broker() -> None:
    """Make Celery forget its pools of connections and producers, which it would otherwise keep when the broker's
    address changes."""
    app.close()
    app.__dict__.pop("amqp", None)


@cache
def redis_client(url: str) -> Any:
    """Make a plain Redis client for the queue's server."""
    import redis

    return redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)


def queue_lengths(url: str) -> dict[str, int]:
    """Return the number of tasks in each queue that no worker has taken yet. Raises redis.RedisError."""
    client = redis_client(url)
    return {name: int(client.llen(name)) for name in QUEUES}
