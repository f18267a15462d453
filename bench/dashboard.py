"""Measures the dashboard and the orchestrator's database with 100,000 trajectories: `python -m bench.dashboard --json
PATH`.

Every page and list is requested in this process, one request at a time, on SQLite and on PostgreSQL (a server on this
machine, or `--postgres URL` of an empty database). The time of the work list per episode is measured, too, while as
many episodes are queued: planning, marking what was sent, claiming in chunks, storing. `--rows N` makes the run
shorter, `--database sqlite` or `postgresql` measures only one of the two.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from a3t_contracts.collector import freeze_loaded
from a3t_contracts.schemas import ReasonBy, Source, Step, StopReason, Trajectory, TrajectoryKind
from a3t_orchestrator.app import create_app
from a3t_orchestrator.phases import Phase
from a3t_orchestrator.recipe import Limits, parse_recipe
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import (
    PhaseKey,
    Plan,
    Store,
    WorkItem,
    claim,
    count_successes,
    create_run,
    dispatchable,
    mark_queued,
    phase_counts,
    plan_work,
    save_trajectory,
)
from bench.common import BenchReport, console
from bench.dashboard_data import LARGE, fill
from tests.support.postgres import find_binaries, start_postgres

Result = TypeVar("Result")
BAR_MS = 300.0
"""Limit in milliseconds for the 95th percentile of every page and list."""
OVERHEAD_MS = 5.0
"""Limit in milliseconds for the time of the work list per episode."""
TOKEN = "a-token-of-the-benchmark"  # noqa: S105
QUEUED = "queued-s1"


def addresses(client: TestClient, ids: list[str]) -> list[str]:
    """The addresses of all pages and lists of the dashboard and the API that read trajectories, with the slow cases
    of each.
    """
    lists = [
        "", f"run={LARGE}", f"run={LARGE}&sort=-reward", "sort=seconds", "sort=-steps&success=false",
        f"run={LARGE}&round=4&kind=composed&sampled=true", "task_type=pick_two&stop_reason=max_invalid",
        "made_up=true&invalid=true", "task_id=t7", "task_id=none", "search=mug", "search=you", "search=zebra",
        "search=%22soapbar+1%22+sinkbasin", "search=mug+-apple+candle&sort=-reward", f"search=cab*&run={LARGE}",
        "search=%22drawer+17%22&success=true&sampled=true",
    ]  # fmt: skip
    deep = [f"offset=90000&limit=50&run={LARGE}"]
    page = client.get("/v1/trajectories", params={"limit": 1, "offset": len(ids) // 2}).json()
    far = f"cursor={page['next_cursor']}"
    failed = client.get("/v1/trajectories", params={"run": LARGE, "phase": "rollout", "success": False, "limit": 1})
    own = failed.json()["trajectories"][0]
    won = client.get(
        "/v1/trajectories", params={"run": LARGE, "phase": "compose", "success": True, "task_id": own["task_id"]}
    ).json()["trajectories"][0]
    runs = f"/runs/{LARGE}"
    return [
        "/", runs, f"{runs}/report", "/failures", "/start", "/compare?run=large-s1&run=small-s1",
        "/runs/part/list", *(f"{runs}/part/{name}" for name in ("state", "figures", "log")),  # pages ask for them again
        *(f"/trajectories?{query}" for query in lists), f"/trajectories?sort=created_at&{far}",
        f"/trajectories/{own['id']}", f"/trajectories/{own['id']}?run={LARGE}&search=mug&sort=-reward",
        f"/trajectories/{own['id']}/beside/{won['id']}", f"/trajectories/{own['id']}/steps/0/tokens",
        "/v1/runs", f"/v1{runs}", f"/v1{runs}/report", f"/v1{runs}/events",
        *(f"/v1/trajectories?{query}" for query in [*lists, *deep, far]), f"/v1/trajectories/{own['id']}",
    ]  # fmt: skip


def ask(client: TestClient, address: str, times: int) -> tuple[list[float], list[float]] | None:
    """Return the milliseconds of each answer, by wall clock and by this process's processor time; None if there is no
    such page.

    On a busy machine, the processor time shows what the wall clock would be on an idle machine, except for the time of
    PostgreSQL's server.
    """
    taken, worked = [], []
    for _ in range(times + 1):
        began, used = time.perf_counter(), time.process_time()
        reply = client.get(address)
        taken.append(1000 * (time.perf_counter() - began))
        worked.append(1000 * (time.process_time() - used))
        if reply.status_code == 404 and len(taken) == 1:
            return None
        if reply.status_code != 200:
            raise RuntimeError(f"{address} answers {reply.status_code}: {reply.text[:300]}")
    return taken[1:], worked[1:]


def pages(store: Store, url: str, home: Path, ids: list[str], times: int) -> dict[str, dict[str, float]]:
    """Address → percentiles in milliseconds."""
    settings = OrchestratorSettings.model_validate(
        {"home": home, "token": TOKEN, "mode": "production", "database_url": url, "redis_url": None}
    )
    figures = {}
    freeze_loaded()  # as every service does before it serves
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        for address in addresses(client, ids):
            taken = ask(client, address, times)
            if taken is not None:
                cuts, worked = (statistics.quantiles(part, n=100, method="inclusive") for part in taken)
                figures[address] = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "processor_p95": worked[94]}
    return figures


def work_list(store: Store, queued: int, episodes: int) -> dict[str, float]:
    """Milliseconds of the work list for an episode, by kind of work."""
    with store.session() as session:
        create_run(session, QUEUED, parse_recipe({"name": "queued", "environment": "household"}), "0" * 40, {})
    return asyncio.run(_work_list(store, queued, episodes))


async def _work_list(store: Store, queued: int, episodes: int) -> dict[str, float]:
    key = PhaseKey(QUEUED, 1, Phase.compose)
    plans = [Plan(f"t{n // 8}", "pick", "train", "composed", n % 8, f"{QUEUED}-r00") for n in range(queued)]
    cost: dict[str, float] = {}

    async def timed(name: str, work: Callable[[Session], Result], count: int) -> Result:
        began, used = time.perf_counter(), time.process_time()
        result = await store.do(work)
        for what, seconds in ((name, time.perf_counter() - began), (f"processor_{name}", time.process_time() - used)):
            cost[what] = cost.get(what, 0.0) + 1000 * seconds / count
        return result

    await timed("plan", lambda session: plan_work(session, key, plans), queued)
    ids = await timed("send", lambda session: _send(session, key), queued)
    size = Limits().chunk
    taken = ids[: episodes // size * size]
    for start in range(0, len(taken), size):
        chunk = taken[start : start + size]
        for item in await timed("claim", partial(_claim, ids=chunk), len(taken)):
            await timed("store", partial(_store, item=item, trajectory=_trajectory(item)), len(taken))
    await timed("watch", lambda session: (phase_counts(session, key), count_successes(session, key)), 1)
    parts = ("plan", "send", "claim", "store")
    cost["per_episode"] = sum(cost[part] for part in parts)
    cost["processor_per_episode"] = sum(cost[f"processor_{part}"] for part in parts)
    return cost


def _claim(session: Session, ids: list[str]) -> list[WorkItem]:
    return claim(session, ids, "worker", 30.0, 5)


def _store(session: Session, item: WorkItem, trajectory: Trajectory) -> None:
    save_trajectory(session, item.id, trajectory, phase=item.phase)


def _send(session: Session, key: PhaseKey) -> list[str]:
    ids = dispatchable(session, key)
    mark_queued(session, ids)
    return ids


def _trajectory(item: WorkItem) -> Trajectory:
    step = Step(
        index=0,
        observation="You arrive at cabinet 1. On the cabinet 1, you see a mug 1, and a candle 2.",
        thought="I need a mug, and here is one.",
        action="take mug 1 from cabinet 1",
        source=Source.policy,
        reason_by=ReasonBy.policy,
        valid=True,
        completion="Thought: I need a mug, and here is one.\nAction: take mug 1 from cabinet 1",
        completion_ids=list(range(30)),
        logprobs=[-0.1] * 30,
    )
    return Trajectory(
        id=item.id,
        run=item.run,
        round=item.round,
        environment="household",
        split=item.split,
        task_id=item.task_id,
        kind=TrajectoryKind.composed,
        sample=item.sample,
        steps=[step.model_copy(update={"index": n}) for n in range(10)],
        success=True,
        reward=1.0,
        stop_reason=StopReason.success,
        created_at=datetime.now(UTC),
    )


@contextmanager
def databases(folder: Path, postgres: str | None, only: str | None) -> Iterator[dict[str, str]]:
    """Name → URL of an empty database. `only`: the name of the one that is wanted, None for all."""
    urls = {} if only == "postgresql" else {"sqlite": f"sqlite:///{folder / 'a3t.db'}"}
    binaries = find_binaries()
    if only == "sqlite":
        yield urls
    elif postgres:
        yield urls | {"postgresql": postgres}
    elif binaries is None:
        console.print("PostgreSQL's initdb and postgres are not installed: it is not measured.")
        yield urls
    else:
        (folder / "postgres").mkdir()
        server, process = start_postgres(binaries, folder / "postgres")
        try:
            yield urls | {"postgresql": server.fresh_database()}
        finally:
            process.terminate()
            process.wait(30)


def measure(url: str, folder: Path, rows: int, times: int) -> dict[str, Any]:
    """All figures of one database."""
    store = Store(url)
    store.upgrade()
    began = time.perf_counter()
    ids = fill(store, rows)
    filled = time.perf_counter() - began
    if store.engine.dialect.name == "postgresql":
        with store.engine.connect() as connection:
            connection.exec_driver_sql("ANALYZE")  # what its autovacuum does within a minute
    found = pages(store, url, folder, ids, times)
    cost = work_list(store, rows, min(500, rows))
    store.close()
    return {"seconds_to_fill": filled, "pages_ms": found, "work_list_ms": cost}


def show(name: str, figures: dict[str, Any]) -> None:
    """One line an address, and whether the bar is reached."""
    console.rule(f"{name}: milliseconds, P50 P95 P99, processor time at P95; bar {BAR_MS:g} at P95")
    for address, cuts in figures["pages_ms"].items():
        word = "reached" if cuts["p95"] <= BAR_MS else "NOT REACHED"
        times = f"{cuts['p50']:8.1f} {cuts['p95']:8.1f} {cuts['p99']:8.1f} {cuts['processor_p95']:8.1f}"
        line = f"{times}  {word:11}  {address}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    cost = figures["work_list_ms"]
    word = "reached" if cost["per_episode"] <= OVERHEAD_MS else "NOT REACHED"
    console.print(f"an episode costs {cost['per_episode']:.2f} ms, bar {OVERHEAD_MS:g}: {word}")
    console.print({what: round(milliseconds, 3) for what, milliseconds in cost.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the report here")
    parser.add_argument("--rows", type=int, default=100_000, help="trajectories (default 100,000)")
    parser.add_argument("--times", type=int, default=40, help="requests of each address (default 40)")
    parser.add_argument(
        "--database", choices=("sqlite", "postgresql"), help="measure only this database (default: both)"
    )
    parser.add_argument(
        "--postgres", help="URL of an empty PostgreSQL database (default: a new server on this machine)"
    )
    options = parser.parse_args()
    report = BenchReport(f"dashboard, {options.rows:,} trajectories")
    with tempfile.TemporaryDirectory() as folder, databases(Path(folder), options.postgres, options.database) as urls:
        for name, url in urls.items():
            found = measure(url, Path(folder), options.rows, options.times)
            show(name, found)
            report.figures[name] = found
            slowest = max(cuts["p95"] for cuts in found["pages_ms"].values())
            report.ratios[f"{name}, slowest P95 over its bar"] = slowest / BAR_MS
            report.ratios[f"{name}, cost of an episode over its bar"] = (
                found["work_list_ms"]["per_episode"] / OVERHEAD_MS
            )
    report.write(options.json)


if __name__ == "__main__":
    main()
