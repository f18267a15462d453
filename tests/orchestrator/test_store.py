"""The store: work lists, leases, dead letters, trajectories, migrations; on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from a3t_contracts.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from a3t_contracts.schemas import (
    ReasonBy,
    Source,
    Step,
    StopReason,
    Trajectory,
    TrajectoryKind,
    trajectory_id,
)
from a3t_orchestrator.recipe import parse_recipe
from a3t_orchestrator.store import (
    Base,
    EpisodeFilter,
    PhaseKey,
    Plan,
    Store,
    WorkItem,
    add_event,
    annotate_trajectory,
    claim,
    count_trajectories,
    create_run,
    dispatchable,
    events,
    find_trajectory,
    free_run_name,
    get_run,
    give_back,
    is_modelled,
    iter_trajectories,
    latest_run,
    lost_items,
    mark_queued,
    phase_counts,
    plan_work,
    reclaim_expired,
    requeue_queued,
    return_failed,
    revive_lost,
    save_trajectory,
    unfinished_run,
)
from tests.support.postgres import PostgresServer

RECIPE = parse_recipe({"name": "x", "environment": "alfworld"})
KEY = PhaseKey("x-1", 1, "compose")


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'a3t.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.fresh_database()
    opened = Store(url)
    opened.upgrade()
    with opened.session() as session:
        create_run(session, "x-1", RECIPE, "abc", {})
    yield opened
    opened.close()


def plans(count: int) -> list[Plan]:
    return [Plan(f"task{i}", "pick", "train", "composed", 0, "x-1-r00") for i in range(count)]


def trajectory(item: str, task: str = "task0", success: bool = True) -> Trajectory:
    steps = [
        Step(
            index=0,
            observation="room",
            thought="why",
            action="go",
            source=Source.sampled,
            reason_by=ReasonBy.actre,
            valid=True,
            completion_ids=[1, 2],
            logprobs=[-0.5, -0.25],
            prompt_tokens=7,
        ),
        Step(index=1, observation="shelf", action="take", source=Source.policy, reason_by=ReasonBy.none, valid=False),
    ]
    return Trajectory(
        id=item,
        run="x-1",
        round=1,
        environment="alfworld",
        split="train",
        task_id=task,
        kind=TrajectoryKind.composed,
        steps=steps,
        reward=float(success),
        success=success,
        stop_reason=StopReason.success,
        created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        final_observation="done",
        seconds=1.5,
    )


def test_migrations_make_what_the_tables_say(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": is_modelled})
        assert compare_metadata(context, Base.metadata) == []
    store.upgrade()
    store.require_current()


def test_more_items_are_marked_than_a_statement_takes_parameters(store: Store) -> None:
    with store.session() as session:
        plan_work(session, KEY, plans(2))
        (item, *_) = dispatchable(session, KEY)
        mark_queued(session, [*(f"{n:024x}" for n in range(70_000)), item])
        assert phase_counts(session, KEY) == {"pending": 1, "queued": 1}


def test_planning_twice_plans_once(store: Store) -> None:
    with store.session() as session:
        assert plan_work(session, KEY, plans(3)) == 3
        assert plan_work(session, KEY, plans(5)) == 2
        assert phase_counts(session, KEY) == {"pending": 5}


def test_an_item_is_in_one_workers_hands(store: Store) -> None:
    with store.session() as session:
        plan_work(session, KEY, plans(3))
        ids = dispatchable(session, KEY)
        mark_queued(session, ids)
        assert len(claim(session, ids[:2], "a", 60, 3)) == 2
        assert [i.id for i in claim(session, ids, "b", 60, 3)] == ids[2:]
        assert claim(session, ids, "c", 60, 3) == []
        assert phase_counts(session, KEY) == {"running": 3}


def let_leases_end(session: Session, ids: list[str]) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    session.execute(update(WorkItem).where(WorkItem.id.in_(ids)).values(lease_until=past))


def test_a_silent_worker_loses_its_items(store: Store) -> None:
    with store.session() as session:
        plan_work(session, KEY, plans(2))
        ids = dispatchable(session, KEY)
        claim(session, ids, "a", 60, 3)
        assert reclaim_expired(session, KEY) == 0
        let_leases_end(session, ids[:1])
        assert reclaim_expired(session, KEY) == 1
        assert phase_counts(session, KEY) == {"pending": 1, "running": 1}
        let_leases_end(session, ids[1:])
        assert reclaim_expired(session, KEY) == 1
        mark_queued(session, ids)
        assert requeue_queued(session, KEY) == 2


def test_a_clock_that_goes_back_prolongs_no_claim_and_no_pause(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written an hour ahead, before the clock was set right, counts as over."""
    hour = timedelta(hours=1)
    with store.session() as session:
        plan_work(session, KEY, plans(3))
        claimed, failed, right = dispatchable(session, KEY)
        with monkeypatch.context() as before:
            before.setattr("a3t_orchestrator.store.work.shared_now", lambda _: datetime.now(UTC) + hour)
            claim(session, [claimed, failed], "a", 60, 3)
            return_failed(session, failed, "the service is away", 3)
        session.flush()
        claim(session, [right], "b", 60, 3)
        assert dispatchable(session, KEY) == [failed]
        assert reclaim_expired(session, KEY) == 1
        assert sorted(dispatchable(session, KEY)) == sorted([claimed, failed])
        assert [item.id for item in claim(session, [claimed, failed, right], "c", 60, 3)] != []
        assert reclaim_expired(session, KEY) == 0, "these claims are of the right time"


def test_orderly_return_does_not_count_as_a_delivery(store: Store) -> None:
    with store.session() as session:
        plan_work(session, KEY, plans(1))
        ids = dispatchable(session, KEY)
        for _ in range(5):
            assert claim(session, ids, "a", 60, 2)[0].attempts == 1
            give_back(session, ids, "a")


def test_too_many_deliveries_end_in_a_dead_letter(store: Store) -> None:
    with store.session() as session:
        plan_work(session, KEY, plans(1))
        ids = dispatchable(session, KEY)
        for _ in range(2):
            claim(session, ids, "a", 60, 2)
            return_failed(session, ids[0], "the policy is away", 2)
        assert phase_counts(session, KEY) == {"lost": 1}
        assert lost_items(session, "x-1")[0].error == "the policy is away"
        letters = events(session, "x-1", kind="dead_letter")
        assert [letter.data["item"] for letter in letters] == ids
        assert claim(session, ids, "a", 60, 2) == []
        assert revive_lost(session, "x-1") == 1
        assert len(claim(session, ids, "a", 60, 2)) == 1


def test_a_worker_that_dies_every_time_ends_in_a_dead_letter(store: Store) -> None:
    with store.session() as session:
        plan_work(session, KEY, plans(1))
        ids = dispatchable(session, KEY)
        for _ in range(3):
            claim(session, ids, "a", 60, 3)
            let_leases_end(session, ids)
            reclaim_expired(session, KEY)
        assert claim(session, ids, "a", 60, 3) == []
        assert "died at each attempt" in events(session, "x-1", kind="dead_letter")[0].message


def test_a_trajectory_is_stored_once_and_comes_back_as_it_was(store: Store) -> None:
    with store.session() as session:
        plan_work(session, KEY, plans(1))
        item = dispatchable(session, KEY)[0]
        assert item == trajectory_id("x-1", 1, "task0", "composed", 0)
        made = trajectory(item)
        assert save_trajectory(session, item, made, phase="compose")
        assert not save_trajectory(session, item, made, phase="compose")
    with store.session() as session:
        assert phase_counts(session, KEY) == {"done": 1}
        assert find_trajectory(session, item[:6]) == made
        assert count_trajectories(session, EpisodeFilter(run="x-1", success=True)) == 1
        assert count_trajectories(session, EpisodeFilter(run="x-1", round=0)) == 0
        assert list(iter_trajectories(session, [item])) == [made]
        with pytest.raises(NotFoundError):
            find_trajectory(session, "ffff00")
        with pytest.raises(NotFoundError):
            find_trajectory(session, "%")


def test_a_nul_character_that_a_model_writes_does_not_lose_the_episode(store: Store) -> None:
    with store.session() as session:
        plan_work(session, KEY, plans(1))
        item = dispatchable(session, KEY)[0]
        made = trajectory(item)
        steps = [made.steps[0].model_copy(update={"thought": "a\0b", "action": "go\0"}), *made.steps[1:]]
        assert save_trajectory(session, item, made.model_copy(update={"steps": steps}), phase="compose")
    with store.session() as session:
        found = find_trajectory(session, item).steps[0]
        assert (found.thought, found.action) == ("a\0b", "go\0")
        claim(session, [item], "a", 60, 3)
        return_failed(session, item, "the reply was 'a\0b'", 3)


def test_reasons_are_written_once(store: Store) -> None:
    with store.session() as session:
        made = trajectory("a" * 24)
        save_trajectory(session, made.id, made, phase="demonstrate", annotated=False)
        first = [made.steps[0].model_copy(update={"thought": "first"}), made.steps[1]]
        second = [made.steps[0].model_copy(update={"thought": "second"}), made.steps[1]]
        annotate_trajectory(session, "item", made.id, first)
        annotate_trajectory(session, "item", made.id, second)
    with store.session() as session:
        assert find_trajectory(session, made.id).steps[0].thought == "first"


def test_runs_by_name_and_age(store: Store) -> None:
    with store.session() as session:
        now = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
        name = free_run_name(session, RECIPE, now)
        assert name == "x-20260506-070809"
        create_run(session, name, RECIPE, "", {})
        assert free_run_name(session, RECIPE, now) == f"{name}-2"
        assert latest_run(session).name == name
        assert unfinished_run(session, "x").name == name
        with pytest.raises(NotFoundError, match="no unfinished run of 'y'"):
            unfinished_run(session, "y")
        with pytest.raises(NotFoundError, match="There is no run 'z'"):
            get_run(session, "z")
    with pytest.raises(ConflictError, match="There is already a run 'x-1'"), store.session() as session:
        create_run(session, "x-1", RECIPE, "", {})


def test_databases_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="Run `a3t db upgrade`"):
        Store(f"sqlite:///{tmp_path / 'empty.db'}").require_current()
    with pytest.raises(UnavailableError, match="cannot be used"):
        Store("postgresql://nobody:secret@127.0.0.1:1/none").upgrade()
    with pytest.raises(InvalidInputError, match="SQLite and PostgreSQL"):
        Store("mysql://localhost/x")
    with pytest.raises(InvalidInputError, match="not an SQLAlchemy URL"):
        Store("nonsense")


async def test_the_event_loop_goes_on_while_the_database_works(store: Store) -> None:
    loop_went_on = threading.Event()

    def slow(session: Session) -> int:
        assert loop_went_on.wait(30)
        return count_trajectories(session, EpisodeFilter())

    work = asyncio.create_task(store.do(slow))
    await asyncio.sleep(0)
    loop_went_on.set()
    assert await work == 0


async def test_a_database_that_is_away_for_a_moment_is_waited_for(store: Store) -> None:
    attempts: list[int] = []

    def fails_twice(session: Session) -> None:
        add_event(session, "x-1", 0, "note", f"attempt {len(attempts)}")
        session.flush()
        attempts.append(len(attempts))
        if len(attempts) < 3:
            raise OperationalError("SELECT 1", {}, Exception("the server closed the connection"))

    await store.do(fails_twice)
    with store.session() as session:
        assert [e.message for e in events(session, "x-1", kind="note")] == ["attempt 2"], "nothing twice"
