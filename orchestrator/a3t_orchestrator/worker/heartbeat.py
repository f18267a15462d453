"""Lets a running worker touch a file regularly, so that a health check only has to look at the file's age.

A health check that asks the worker through the queue would start a Python process each time, which takes more CPU time
than an idle worker.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from celery import Celery, bootsteps

__all__ = ["BEAT_SECONDS", "beat"]

BEAT_SECONDS = 10.0


def beat(app: Celery, path: Path) -> None:
    """Make workers of `app` touch `path` every 10 seconds, as soon as they listen to their queues.

    The worker's own loop touches the file, so that the file becomes old if the loop hangs or waits for Redis.
    """

    class Heartbeat(bootsteps.StartStopStep):  # type: ignore[misc]
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def __init__(self, parent: Any, **options: Any) -> None:
            super().__init__(parent, **options)
            self.timer: Any = None

        def start(self, parent: Any) -> None:
            path.touch()
            self.timer = parent.timer.call_repeatedly(BEAT_SECONDS, path.touch)

        def stop(self, parent: Any) -> None:
            if self.timer is not None:
                self.timer.cancel()

    app.steps["consumer"].add(Heartbeat)
