"""One driver for each run, and no word from one that lost it; on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psutil
import pytest

from a3t_orchestrator.recipe import parse_recipe
from a3t_orchestrator.store import (
    Driver,
    FencedStore,
    LeaseLostError,
    Store,
    add_event,
    create_run,
    driver_of,
    drivers,
    drop_lease,
    events,
    renew_lease,
    take_lease,
)

ELSEWHERE = "another-host/boot/pid:[1]"


@pytest.fixture
def store(any_store: Store) -> Store:
    with any_store.session() as session:
        create_run(session, "r-1", parse_recipe({"name": "r", "environment": "alfworld"}), "", {})
    return any_store


def take(store: Store, me: Driver, seconds: float = 60) -> Driver | None:
    with store.session() as session:
        return take_lease(session, "r-1", me, seconds)


def test_of_many_that_come_at_once_one_drives(store: Store) -> None:
    many = [Driver(machine=f"host-{i}") for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        others = list(pool.map(partial(take, store), many))
    winners = [driver for driver, other in zip(many, others, strict=True) if other is None]
    assert len(winners) == 1
    assert {other.holder for other in others if other} == {winners[0].holder}
    with store.session() as session:
        assert driver_of(session, "r-1") == winners[0]


def test_a_lease_is_free_when_it_ends_or_is_given_up(store: Store) -> None:
    first, second, third = Driver(machine=ELSEWHERE), Driver(), Driver()
    assert take(store, first, seconds=-1) is None
    with store.session() as session:
        assert driver_of(session, "r-1") is None
    assert take(store, second) is None, "the first one's lease has ended"
    assert take(store, third) == second
    with store.session() as session:
        assert not renew_lease(session, "r-1", first, 60)
        assert renew_lease(session, "r-1", second, 60)
        drop_lease(session, "r-1", first)
        assert driver_of(session, "r-1") == second, "only its holder gives a lease up"
        drop_lease(session, "r-1", second)
    assert take(store, third) is None


def test_a_lease_from_before_the_clock_went_back_is_free(store: Store) -> None:
    first, second = Driver(machine=ELSEWHERE), Driver(machine=ELSEWHERE)
    assert take(store, first, seconds=3600) is None, "as if by a clock that was an hour ahead"
    with store.session() as session:
        assert driver_of(session, "r-1") is None
        assert drivers(session) == {}
    assert take(store, second) is None
    with store.session() as session:
        assert drivers(session) == {"r-1": second}


def test_a_process_of_this_machine_that_died_is_replaced_at_once(store: Store) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    dead = Driver(pid=process.pid, created=psutil.Process(process.pid).create_time())
    assert take(store, dead) is None
    assert take(store, Driver()) == dead
    process.kill()
    process.wait()
    assert take(store, Driver()) is None


def test_a_twin_in_another_container_is_not_taken_for_dead() -> None:
    twin = Driver(machine=ELSEWHERE, pid=os.getpid(), created=0.0)
    assert not twin.is_dead, "its process ids mean other processes"
    assert Driver(pid=os.getpid(), created=0.0).is_dead, "an earlier process had this id"
    assert Driver().holder != Driver().holder


def test_who_lost_the_lease_writes_nothing_more(store: Store) -> None:
    old, new = Driver(machine=ELSEWHERE), Driver()
    assert take(store, old, seconds=-1) is None
    fenced = FencedStore(store, "r-1", old)
    with fenced.session() as session:
        add_event(session, "r-1", 0, "early", "its lease has ended, but nobody took it")
    assert take(store, new) is None
    with pytest.raises(LeaseLostError), fenced.session() as session:
        add_event(session, "r-1", 0, "late", "too late")
    with FencedStore(store, "r-1", new).session() as session:
        add_event(session, "r-1", 0, "new", "the new driver goes on")
    with store.session() as session:
        assert [event.kind for event in events(session, "r-1")] == ["early", "new"]


def test_a_lease_is_not_taken_in_the_middle_of_its_holders_transaction(store: Store) -> None:
    """The check at a transaction's beginning holds until its end: nobody can take the lease in between."""
    old, new = Driver(machine=ELSEWHERE), Driver()
    assert take(store, old, seconds=-1) is None
    begun, order = threading.Event(), []

    def take_over() -> None:
        begun.wait()
        assert take(store, new) is None
        order.append("taken")

    thread = threading.Thread(target=take_over)
    thread.start()
    with FencedStore(store, "r-1", old).session() as session:
        begun.set()
        thread.join(0.5)
        assert thread.is_alive()
        add_event(session, "r-1", 0, "whole", "still the old driver's")
        order.append("written")
    thread.join(30)
    assert order == ["written", "taken"]
