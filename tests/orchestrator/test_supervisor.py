"""Runs that belong to the service: driven, paused, cancelled, taken over. Only the rounds are the tests' own; leases,
status, progress and the supervisor are real, on SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import update

from a3t_contracts.errors import UpstreamError
from a3t_orchestrator.driver import lease, loop
from a3t_orchestrator.driver.context import RunContext
from a3t_orchestrator.driver.supervisor import Supervisor
from a3t_orchestrator.phases import Phase
from a3t_orchestrator.recipe import parse_recipe
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import (
    PhaseKey,
    Plan,
    RunLease,
    Store,
    add_event,
    create_run,
    driver_of,
    events,
    get_run,
    phase_counts,
    plan_work,
    request_cancel,
    request_pause,
    resume_run,
    run_info,
    touch_run,
)

Rounds = Callable[[RunContext], Awaitable[None]]
RECIPE = parse_recipe({"name": "r", "environment": "alfworld"})


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'a3t.db'}")
    opened.upgrade()
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LOOK_SECONDS", 0.05)


def begin(store: Store, name: str) -> None:
    with store.session() as session:
        create_run(session, name, RECIPE, "", {})
        touch_run(session, name, status="queued")


@asynccontextmanager
async def supervised(store: Store) -> AsyncIterator[Supervisor]:
    """A service, until the block ends; then it is stopped in an orderly way."""
    supervisor = Supervisor(store, OrchestratorSettings(home=Path("/nowhere")), look_seconds=0.05)
    task = asyncio.create_task(supervisor.run())
    yield supervisor
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def until(store: Store, name: str, status: str) -> None:
    async with asyncio.timeout(20):
        while await store.do(lambda session: get_run(session, name).status) != status:
            await asyncio.sleep(0.02)


async def until_told(store: Store, name: str, kind: str, times: int = 1) -> None:
    async with asyncio.timeout(20):
        while len(await store.do(lambda session: events(session, name, kind=kind))) < times:
            await asyncio.sleep(0.02)


async def for_ever(context: RunContext) -> None:
    """Rounds that never end, and say that they began."""
    await context.store.do(lambda session: add_event(session, context.run, 0, "began", "…"))
    await asyncio.Event().wait()


async def test_two_services_drive_each_run_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def rounds(context: RunContext) -> None:
        await context.store.do(lambda session: add_event(session, context.run, 0, "began", "…"))
        await asyncio.sleep(0.3)

    monkeypatch.setattr(loop, "play_rounds", rounds)
    names = [f"r-{i}" for i in range(6)]
    for name in names:
        begin(store, name)
    async with supervised(store), supervised(store):
        for name in names:
            await until(store, name, "finished")
    with store.session() as session:
        assert [len(events(session, name, kind="began")) for name in names] == [1] * 6


async def test_pause_resume_and_cancel_are_obeyed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "play_rounds", for_ever)
    begin(store, "r")
    key = PhaseKey("r", 1, Phase.rollout)
    async with supervised(store):
        await until_told(store, "r", "began")
        await store.do(lambda session: request_pause(session, "r"))
        await until(store, "r", "paused")
        await asyncio.sleep(0.2)
        with store.session() as session:
            assert get_run(session, "r").status == "paused", "nobody takes up a paused run"
            assert driver_of(session, "r") is None
            resume_run(session, "r")
        await until_told(store, "r", "began", times=2)
        with store.session() as session:
            plan_work(session, key, [Plan("t", "pick", "train", "policy", 0, None)])
            request_cancel(session, "r")
        await until(store, "r", "cancelled")
        with store.session() as session:
            assert phase_counts(session, key) == {}, "work that nobody began is dropped"
            request_cancel(session, "r")
            resume_run(session, "r")
        await until_told(store, "r", "began", times=3)


async def test_a_paused_run_can_be_cancelled(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "play_rounds", for_ever)
    begin(store, "r")
    with store.session() as session:
        request_pause(session, "r")
    async with supervised(store):
        await until(store, "r", "paused")
        await store.do(lambda session: request_cancel(session, "r"))
        await until(store, "r", "cancelled")
    with store.session() as session:
        assert events(session, "r", kind="began") == []


async def test_a_stopped_service_leaves_the_run_to_the_next_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "play_rounds", for_ever)
    begin(store, "r")
    async with supervised(store):
        await until_told(store, "r", "began")
    with store.session() as session:
        assert run_info(session, "r").status == "running"
        assert driver_of(session, "r") is None, "an orderly stop gives the lease up"
    async with supervised(store):
        await until_told(store, "r", "began", times=2)


@pytest.mark.parametrize("turns", range(6))
async def test_it_stops_also_where_it_is_woken_at_the_same_moment(store: Store, turns: int) -> None:
    supervisor = Supervisor(store, OrchestratorSettings(home=Path("/nowhere")), look_seconds=60)
    task = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0.3)
    supervisor.wake()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()


async def test_a_driver_whose_lease_was_taken_says_nothing_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[str] = []

    async def rounds(context: RunContext) -> None:
        def steal(session: object) -> None:
            session.execute(update(RunLease).values(holder="another", machine="elsewhere"))  # type: ignore[attr-defined]

        await store.do(steal)
        try:
            await context.store.do(lambda session: add_event(session, "r", 0, "late", "…"))
        except lease.LeaseLostError as error:
            refused.append(str(error))
            raise

    monkeypatch.setattr(loop, "play_rounds", rounds)
    begin(store, "r")
    async with supervised(store) as supervisor:
        async with asyncio.timeout(20):
            while not refused or supervisor.driven:
                await asyncio.sleep(0.02)
    with store.session() as session:
        found = driver_of(session, "r")
        assert found is not None
        assert found.holder == "another", "the lease of another is not given up"
        assert get_run(session, "r").status == "running"
        assert events(session, "r", kind="late") == []


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [(UpstreamError("The job failed.", hint="Look."), 502, "The job failed."), (KeyError("x"), 500, "KeyError: 'x'")],
)
async def test_why_a_run_failed_is_told_until_it_is_resumed(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, words: str
) -> None:
    async def rounds(context: RunContext) -> None:
        raise error

    monkeypatch.setattr(loop, "play_rounds", rounds)
    begin(store, "r")
    async with supervised(store):
        await until(store, "r", "failed")
        await asyncio.sleep(0.2)
    with store.session() as session:
        told = run_info(session, "r")
        assert told.problem is not None
        assert (told.problem.status, words in told.problem.detail) == (status, True)
        assert len(events(session, "r", kind="failed")) == 1, "a failed run is not begun again by itself"
        resume_run(session, "r")
        assert (run_info(session, "r").problem, run_info(session, "r").error) == (None, None)
