"""A file that a living worker keeps touching, so that a probe needs no more than the file's age.

Asking the worker through the queue starts a Python process each time, which costs an idle worker more than its work.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from celery import Celery, bootsteps

__all__ = ["BEAT_SECONDS", "beat"]

BEAT_SECONDS = 10.0


def beat(app: Celery, path: Path) -> None:
    """Have workers of `app` touch `path` once they listen to their queues, and every 10 seconds from then on.

    The worker's own loop does it: a loop that hangs, or that waits for Redis, lets the file grow old.
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
