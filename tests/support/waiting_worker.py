"""A real worker of our queue with one more task, which holds its slot until the test lets it go."""

from __future__ import annotations

from a3t_orchestrator.queue import app, redis_client
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.worker.process import main

TASK = "tests.hold"
BEGUN, RELEASE, ENDED = "begun", "release", "ended"


@app.task(name=TASK)  # type: ignore[untyped-decorator]
def hold() -> None:
    """Say that it has begun, wait for one word of release, say that it has ended."""
    client = redis_client(OrchestratorSettings().redis_url or "")
    client.incr(BEGUN)
    while client.blpop([RELEASE], timeout=1) is None:
        continue
    client.incr(ENDED)


if __name__ == "__main__":
    main()
