"""Limits: cap, idle sessions, deadlines, two steps at once."""

from __future__ import annotations

import asyncio

import pytest

from a3t_contracts.errors import ConflictError, DeadlineError, GoneError, OverloadedError, UpstreamError
from a3t_contracts.schemas import SessionStep
from a3t_env.sessions.threads import NotBegunError, StuckError
from tests.env.service.conftest import Clock, ManagerFactory, walk
from tests.support.corridor import CorridorEnvironment


async def entered(corridor: CorridorEnvironment) -> None:
    """Until an engine waits at the gate."""
    assert await asyncio.to_thread(corridor.gate.entered.wait, 20)


async def test_the_cap_refuses_with_a_time_to_retry(make_manager: ManagerFactory) -> None:
    manager = make_manager(max_sessions=2)
    opened = [await manager.create(walk()) for _ in range(2)]
    with pytest.raises(OverloadedError, match="All 2 sessions are in use") as caught:
        await manager.create(walk())
    assert caught.value.retry_after > 0
    await manager.close(opened[0].id)
    assert (await manager.create(walk())).id not in {s.id for s in opened}


async def test_sessions_that_start_count_for_the_cap(
    make_manager: ManagerFactory, corridor: CorridorEnvironment
) -> None:
    manager = make_manager(max_sessions=1)
    corridor.gate.open.clear()
    starting = asyncio.create_task(manager.create(walk()))
    await entered(corridor)
    with pytest.raises(OverloadedError):
        await manager.create(walk())
    corridor.gate.open.set()
    assert (await starting).steps == 0


async def test_idle_sessions_are_reaped_and_used_ones_kept(
    make_manager: ManagerFactory, clock: Clock, corridor: CorridorEnvironment
) -> None:
    manager = make_manager(idle_seconds=60)
    idle, used = [(await manager.create(walk())).id for _ in range(2)]
    clock.now += 40
    await manager.step(used, "go right")
    clock.now += 40
    assert await manager.reap() == 1
    assert len(manager) == len(corridor.running) == 1
    with pytest.raises(GoneError, match="after 60 s without use"):
        await manager.step(idle, "go right")
    assert (await manager.step(used, "go right")).index == 1


async def test_the_cap_makes_room_by_reaping(make_manager: ManagerFactory, clock: Clock) -> None:
    manager = make_manager(max_sessions=1, idle_seconds=60)
    await manager.create(walk())
    clock.now += 61
    assert (await manager.create(walk())).steps == 0


async def test_a_session_in_a_step_is_not_idle(
    make_manager: ManagerFactory, clock: Clock, corridor: CorridorEnvironment
) -> None:
    manager = make_manager(idle_seconds=60)
    opened = await manager.create(walk(engine="official"))
    corridor.gate.open.clear()
    running = asyncio.create_task(manager.step(opened.id, "go right"))
    await entered(corridor)
    clock.now += 100
    assert await manager.reap() == 0
    corridor.gate.open.set()
    assert (await running).index == 0
    clock.now += 59
    assert await manager.reap() == 0
    clock.now += 2
    assert await manager.reap() == 1


@pytest.mark.parametrize(("action", "index"), [("go left", 0), ("go right", None), ("go right", 1)])
async def test_of_two_steps_at_once_one_wins(
    make_manager: ManagerFactory, corridor: CorridorEnvironment, action: str, index: int | None
) -> None:
    manager = make_manager()
    opened = await manager.create(walk(engine="official"))
    corridor.gate.open.clear()
    winner = asyncio.create_task(manager.step(opened.id, "go right", 0))
    await entered(corridor)
    with pytest.raises(ConflictError, match="Another step of session"):
        await manager.step(opened.id, action, index)
    corridor.gate.open.set()
    assert (await winner).observation == "You are in room 1."
    assert (await manager.info(opened.id)).steps == 1


async def test_the_same_step_sent_twice_at_once_is_made_once(
    make_manager: ManagerFactory, corridor: CorridorEnvironment
) -> None:
    manager = make_manager()
    opened = await manager.create(walk(engine="official"))
    corridor.gate.open.clear()
    first = asyncio.create_task(manager.step(opened.id, "go right", 0))
    await entered(corridor)
    second = asyncio.create_task(manager.step(opened.id, "go right", 0))
    await asyncio.sleep(0)
    corridor.gate.open.set()
    assert await first == await second
    assert (await manager.info(opened.id)).steps == 1


async def test_a_shared_step_shares_its_error(make_manager: ManagerFactory, corridor: CorridorEnvironment) -> None:
    manager = make_manager()
    opened = await manager.create(walk(engine="official"))
    corridor.gate.open.clear()
    first = asyncio.create_task(manager.step(opened.id, "break", 0))
    await entered(corridor)
    second = asyncio.create_task(manager.step(opened.id, "break", 0))
    await asyncio.sleep(0)
    corridor.gate.open.set()
    outcomes = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [UpstreamError, UpstreamError]


async def test_a_step_that_hangs_ends_its_session(make_manager: ManagerFactory, corridor: CorridorEnvironment) -> None:
    manager = make_manager(step_deadline=0.05)
    opened = await manager.create(walk(engine="official"))
    (episode,) = corridor.running
    corridor.gate.open.clear()
    with pytest.raises(DeadlineError, match=r"took longer than 0\.05 s"):
        await manager.step(opened.id, "go right", 0)
    assert await asyncio.to_thread(episode.closed.wait, 20)
    with pytest.raises(GoneError, match="its engine hung"):
        await manager.step(opened.id, "go right", 0)


async def test_a_step_that_found_no_thread_was_not_made(
    make_manager: ManagerFactory, corridor: CorridorEnvironment
) -> None:
    manager = make_manager(threads=1, step_deadline=0.2)
    holder, waiter = [(await manager.create(walk(engine="official"))).id for _ in range(2)]
    corridor.gate.open.clear()
    held = asyncio.create_task(manager.step(holder, "go right"))
    await entered(corridor)
    waiting = asyncio.create_task(manager.step(waiter, "go right", 0))
    outcomes = await asyncio.gather(held, waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StuckError, NotBegunError]
    assert "did not begin" in str(outcomes[1])
    corridor.gate.open.set()
    assert (await manager.step(waiter, "go right", 0)).observation == "You are in room 1."


async def test_a_start_that_hangs_is_closed_when_it_comes(
    make_manager: ManagerFactory, corridor: CorridorEnvironment
) -> None:
    manager = make_manager(start_deadline=0.05, max_sessions=1)
    corridor.gate.open.clear()
    with pytest.raises(DeadlineError, match="Starting task 'corridor-3'"):
        await manager.create(walk())
    (episode,) = corridor.running
    corridor.gate.open.set()
    assert await asyncio.to_thread(episode.closed.wait, 20)
    assert (await manager.create(walk())).steps == 0


async def test_closing_waits_for_the_step_that_is_made(
    make_manager: ManagerFactory, corridor: CorridorEnvironment
) -> None:
    manager = make_manager()
    opened = await manager.create(walk(engine="official"))
    (episode,) = corridor.running
    corridor.gate.open.clear()
    stepping = asyncio.create_task(manager.step(opened.id, "go right"))
    await entered(corridor)
    closing = asyncio.create_task(manager.close(opened.id))
    reading = asyncio.create_task(manager.actions(opened.id))
    await asyncio.sleep(0)
    assert not episode.closed.is_set()
    corridor.gate.open.set()
    assert (await stepping).valid
    await closing
    assert episode.closed.is_set()
    with pytest.raises(GoneError):
        await reading


async def test_batches_step_blocking_sessions_at_the_same_time(
    make_manager: ManagerFactory, corridor: CorridorEnvironment
) -> None:
    manager = make_manager(threads=4)
    ids = [(await manager.create(walk(engine="official"))).id for _ in range(4)]
    corridor.gate.open.clear()
    batch = asyncio.create_task(manager.step_many([SessionStep(session_id=i, action="go right") for i in ids]))
    await entered(corridor)
    corridor.gate.open.set()
    assert [getattr(result, "observation", result) for result in await batch] == ["You are in room 1."] * 4
