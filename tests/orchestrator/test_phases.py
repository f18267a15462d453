"""The phases of a round, and training by the driver itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.schemas import ReasonBy, Source, Step, StopReason, Trajectory, TrajectoryKind, trajectory_id
from a3t_orchestrator.driver import loop, rounds
from a3t_orchestrator.driver.context import RunContext
from a3t_orchestrator.driver.learn import train
from a3t_orchestrator.phases import Phase
from a3t_orchestrator.queue import QUEUES, app
from a3t_orchestrator.recipe import parse_recipe
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import Store, create_run, events, get_job, get_run, save_trajectory, training_counts
from tests.support.forgetful_trainer import ForgetfulTrainer
from tests.support.live_server import live_server

TOKEN = "test-token"
RECIPE = parse_recipe({"name": "r", "environment": "alfworld", "data": {"split": "train"}})


def test_every_phase_that_has_a_queue_has_a_task_that_a_worker_knows() -> None:
    import a3t_orchestrator.worker.tasks  # noqa: F401  registers them

    assert set(QUEUES) == {"rollout", "annotation", "evaluation"}
    for phase in Phase:
        assert phase.traits.label
        assert phase.traits.queue is None or phase.traits.task in app.tasks


def test_what_is_collected_is_collected_before_training() -> None:
    assert [p for p in Phase if p.traits.collects] == ["demonstrate", "few_shot", "rollout", "compose", "hindsight"]
    assert all(p.before_training for p in Phase if p.traits.collects)
    assert not Phase.evaluate.before_training


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = Store(f"sqlite:///{tmp_path / 'a3t.db'}")
    opened.upgrade()
    with opened.session() as session:
        create_run(session, "r-1", RECIPE, "abc", {})
    return opened


def demonstrate(store: Store) -> None:
    item = trajectory_id("r-1", 0, "t", "demonstration", 0)
    step = Step(index=0, observation="room", action="go", source=Source.expert, reason_by=ReasonBy.none, valid=True)
    episode = Trajectory(
        id=item,
        run="r-1",
        round=0,
        environment="alfworld",
        split="train",
        task_id="t",
        kind=TrajectoryKind.demonstration,
        steps=[step],
        reward=1.0,
        success=True,
        stop_reason=StopReason.success,
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    with store.session() as session:
        save_trajectory(session, item, episode, phase=Phase.demonstrate)


def context(store: Store, url: str) -> RunContext:
    settings = OrchestratorSettings.model_validate({"token": TOKEN, "trainer_url": url})
    return RunContext(store, settings, "r-1", RECIPE, poll_seconds=0.01)


async def test_a_job_that_the_trainer_lost_is_given_to_it_again(store: Store) -> None:
    trainer = ForgetfulTrainer(losses=1)
    demonstrate(store)
    with live_server(trainer.app(TOKEN)) as url:
        assert await train(context(store, url), 0) == "r-1-r00"
    assert len(trainer.uploads) == 2
    assert trainer.uploads[0] == trainer.uploads[1]
    with store.session() as session:
        job = get_job(session, "r-1", 0)
        assert job is not None
        assert job.status == "succeeded"
        assert training_counts(session, "r-1") == {0: (1, 0)}


async def test_a_trainer_that_always_loses_the_job_ends_the_round(store: Store) -> None:
    demonstrate(store)
    with live_server(ForgetfulTrainer(losses=9).app(TOKEN)) as url, pytest.raises(NotFoundError):
        await train(context(store, url), 0)


async def test_a_job_under_way_is_not_created_again(store: Store) -> None:
    trainer = ForgetfulTrainer()
    demonstrate(store)
    with live_server(trainer.app(TOKEN)) as url:
        await train(context(store, url), 0)
        assert await train(context(store, url), 0) == "r-1-r00"
    assert len(trainer.uploads) == 1
    with store.session() as session:
        assert len(events(session, "r-1", kind="training_set")) == 1


async def test_nothing_to_train_on_is_said_before_the_trainer_is_asked(store: Store) -> None:
    trainer = ForgetfulTrainer()
    with live_server(trainer.app(TOKEN)) as url, pytest.raises(InvalidInputError, match="no success to train on"):
        await train(context(store, url), 0)
    assert trainer.uploads == []


async def test_a_round_without_a_success_keeps_its_agent(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the services are replaced: what is trained, noted and played next is the driver's own."""
    played: list[tuple[str, int, str]] = []

    def plays(name: str) -> Callable[..., Awaitable[None]]:
        async def play(context: RunContext, number: int, version: str, *_: object, **__: object) -> None:
            played.append((name, number, version))

        return play

    async def base(context: RunContext) -> str:
        return "base"

    for name in ("rollout", "compose", "evaluate"):
        monkeypatch.setattr(rounds, name, plays(name))
    monkeypatch.setattr(rounds, "base_version", base)
    recipe = parse_recipe({"name": "r", "environment": "alfworld", "round0": {"mode": "none"}, "rounds": 2})
    trainer = ForgetfulTrainer()
    with live_server(trainer.app(TOKEN)) as url:
        driven = context(store, url)
        driven.recipe = recipe
        await loop.drive(driven)
    assert trainer.uploads == []
    assert [(name, number) for name, number, _ in played] == [(n, r) for r in (1, 2) for n in ("rollout", "compose")]
    assert {version for _, _, version in played} == {"base"}
    with store.session() as session:
        assert get_run(session, "r-1").status == "finished"
        assert [e.round for e in events(session, "r-1", kind="nothing_to_train")] == [1, 2]
