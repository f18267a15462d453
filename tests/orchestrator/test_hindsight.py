"""Failed composed episodes that solved another task: told anew, stored once, counted apart, never of held-out tasks.

The env service plays generated ALFWorld games on the native engine, ActRe and the database are real; the policy's turns
are written by the tests."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from typing_extensions import override

from a3t_actre.app import create_app as create_actre
from a3t_actre.settings import ActReSettings
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react import NO_PURPOSE, History, render_trajectory
from a3t_contracts.schemas import (
    EnvironmentInfo,
    ReachedTask,
    ReasonBy,
    Source,
    StopReason,
    Task,
    Trajectory,
    TrajectoryKind,
    trajectory_id,
)
from a3t_env.alfworld.environment import AlfworldEnvironment
from a3t_env.alfworld.generator import TRAIN_SPLIT, add_generated
from a3t_env.alfworld.variant import split_id
from a3t_env.app import create_app as create_env
from a3t_env.environments import Environments
from a3t_env.settings import EnvSettings
from a3t_orchestrator.ablation.collect import SeedResult
from a3t_orchestrator.driver.start import begin_run
from a3t_orchestrator.driver.training import training_set
from a3t_orchestrator.gateway import ServiceAddresses
from a3t_orchestrator.interchange.intake import ImportOrder, import_file
from a3t_orchestrator.phases import Phase
from a3t_orchestrator.recipe import Recipe, parse_recipe
from a3t_orchestrator.report.collect import collect_report
from a3t_orchestrator.report.text import markdown, round_rows
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import (
    PhaseKey,
    Plan,
    Store,
    TrajectoryRow,
    WorkItem,
    add_tasks,
    copy_phase,
    create_run,
    get_trajectory,
    open_round,
    outcomes_by_task,
    phase_counts,
    plan_work,
    save_trajectory,
    to_trajectory,
    utc_now,
)
from a3t_orchestrator.worker.chunk import run_chunk
from tests.support.corridor import CorridorEnvironment
from tests.support.live_server import live_server
from tests.support.scripted_policy import ScriptedPolicy

TOKEN = "hindsight-of-the-tests"
KEY = PhaseKey("r", 1, Phase.compose)
STEPS = 24
ITEMS = update(WorkItem).where(WorkItem.run == KEY.run, WorkItem.phase == KEY.phase)


class Corridor(CorridorEnvironment):
    """The corridor under its own name; it tells nothing of other tasks."""

    @override
    def info(self) -> EnvironmentInfo:
        return super().info().model_copy(update={"name": "corridor"})


@dataclass
class World:
    """The services, the games behind them, and the policy whose turns a test writes."""

    addresses: ServiceAddresses
    games: AlfworldEnvironment
    policy: ScriptedPolicy
    walks: dict[str, list[str]]
    """Task line → actions of an episode that fails the task."""
    reached: dict[str, ReachedTask]
    """Task → the first other task that its walk solves; tasks whose walk solves none are left out."""

    @property
    def tasks(self) -> list[Task]:
        return list(self.games.tasks())

    def settings(self, **changes: object) -> OrchestratorSettings:
        a = self.addresses
        values = {"env_url": a.env, "policy_url": a.policy, "actre_url": a.actre, "token": TOKEN, "lease_seconds": 5}
        return OrchestratorSettings.model_validate(values | changes)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """SQLite, for tests of what no database does otherwise than another."""
    opened = Store(f"sqlite:///{tmp_path / 'a3t.db'}")
    opened.upgrade()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("home")
    add_generated(home / "data" / "alfworld", TRAIN_SPLIT, 12)
    games, policy = AlfworldEnvironment(home / "data" / "alfworld"), ScriptedPolicy(lambda _: "look")
    walks: dict[str, list[str]] = {}
    reached: dict[str, ReachedTask] = {}
    for number, task in enumerate(games.tasks()):
        first, walk = failing_walk(games, task.id, number)
        walks[first] = walk
        found = games.hindsight(task.id, walk)
        reached |= {task.id: found[0]} if found else {}
    policy.choose = lambda history: walks[history.observation][len(history.turns)]
    common = {"home": home, "token": TOKEN}
    env = create_env(
        EnvSettings.model_validate(common), Environments({"alfworld": lambda: games, "corridor": Corridor})
    )
    actre = create_actre(ActReSettings.model_validate(common | {"actre_cache_mb": 0}))
    with live_server(env) as e, live_server(actre) as a, live_server(policy.app(TOKEN)) as p:
        yield World(ServiceAddresses(env=e, policy=p, actre=a, token=TOKEN), games, policy, walks, reached)
    games.close()


def failing_walk(games: AlfworldEnvironment, task_id: str, number: int) -> tuple[str, list[str]]:
    """First observation, and the actions of somebody who likes to carry things about and does not solve the task."""
    liked = ("take", "move", "clean", "heat", "cool", "use", "open")
    for seed in range(100):
        rng, episode = random.Random(1000 * number + seed), games.episode(task_id)
        outcome, walk = episode.start(), list[str]()
        first = outcome.observation
        while len(walk) < STEPS and not outcome.done:
            actions = episode.actions()
            wanted = [a for a in actions if a.split()[0] in liked]
            walk.append(rng.choice(wanted if wanted and rng.random() < 0.7 else actions))
            outcome = episode.step(walk[-1])
        if not outcome.done:
            return first, walk
    raise AssertionError(f"every walk solves {task_id}")


def recipe_of(**compose: object) -> Recipe:
    rules = {"p": 0.0, "invalid_streak": None, "hindsight": True, "samples": 2} | compose
    values = {
        "name": "r",
        "environment": "alfworld",
        "rounds": 1,
        "data": {"split": TRAIN_SPLIT},
        "compose": rules,
        "limits": {"max_steps": STEPS, "outage_seconds": 5, "deliveries": 3},
    }
    return parse_recipe(values)


def begun(store: Store, world: World, recipe: Recipe, samples: int = 1) -> list[str]:
    """A run whose own trials all failed, and the composed episodes that it has to play."""
    with store.session() as session:
        create_run(session, "r", recipe, "", {"environment": world.games.info().model_dump(mode="json")})
        add_tasks(session, "r", "train", world.tasks)
        open_round(session, "r", 1)
        plans = [Plan(t.id, t.type, t.split, "composed", n, "base") for t in world.tasks for n in range(samples)]
        plan_work(session, KEY, plans)
    return [trajectory_id("r", 1, t.id, TrajectoryKind.composed, n) for t in world.tasks for n in range(samples)]


def stored(store: Store, phase: Phase, run: str = "r") -> list[Trajectory]:
    with store.session() as session:
        query = select(TrajectoryRow).where(TrajectoryRow.run == run, TrajectoryRow.phase == phase)
        return [to_trajectory(row) for row in session.scalars(query.order_by(TrajectoryRow.number))]


async def test_a_failed_episode_becomes_a_success_of_the_task_that_it_solved(world: World, any_store: Store) -> None:
    ids = begun(any_store, world, recipe_of())
    assert (await run_chunk(any_store, world.settings(), "r", ids, "w")).done == len(ids)
    found = stored(any_store, Phase.hindsight)
    assert len(found) >= 4, "the walks of the tests do something"
    assert {t.task_id for t in found} == {r.task.id for r in world.reached.values()}
    for episode in found:
        made_from = episode.metadata["hindsight"]
        reached = world.reached[made_from["task_id"]]
        with any_store.session() as session:
            source = get_trajectory(session, made_from["episode"])
        assert not source.success
        assert (source.kind, source.task_id) == (TrajectoryKind.composed, made_from["task_id"])
        assert source.task_type == made_from["task_type"]
        assert (episode.kind, episode.task_type, episode.split) == ("hindsight", reached.task.type, TRAIN_SPLIT)
        assert episode.id == trajectory_id("r", 1, reached.task.id, "hindsight", source.sample)
        assert (episode.reward, episode.success, episode.stop_reason) == (1.0, True, StopReason.success)
        assert [s.action for s in episode.steps] == [s.action for s in source.steps[: reached.steps]]
        assert plays(world.games, episode)


def plays(games: AlfworldEnvironment, episode: Trajectory) -> bool:
    """Whether the native engine answers the episode's actions as it says, and is won by the last one alone."""
    again = games.episode(episode.task_id, "native")
    outcome, wins = again.start(), []
    for step in episode.steps:
        if outcome.observation != step.observation:
            return False
        outcome = again.step(step.action)
        wins.append(outcome.success)
    return outcome.observation == episode.final_observation and wins == [False] * (len(wins) - 1) + [True]


async def test_its_thoughts_are_written_for_the_new_task(world: World, store: Store) -> None:
    ids = begun(store, world, recipe_of())
    await run_chunk(store, world.settings(), "r", ids, "w")
    purposes = 0
    for episode in stored(store, Phase.hindsight):
        variant = split_id(episode.task_id)[1]
        assert variant is not None
        text = "".join(segment.text for segment in render_trajectory(episode))
        assert f"Your task is to: {variant.instruction}" in text
        assert text.count("Your task is to: ") == 1
        assert "I think so" not in text, "the policy's own thoughts are left behind"
        for step in episode.steps:
            assert step.thought
            assert (step.reason_by, step.reason_annotator, step.source) == (ReasonBy.actre, "template", Source.policy)
            assert (step.completion, step.completion_ids, step.logprobs, step.prompt_tokens) == (None,) * 4
            assert step.policy_version == "base", "who chose the action is not forgotten"
            assert step.purpose is not (step.thought or "").startswith(NO_PURPOSE)
        purposes += sum(bool(step.purpose) for step in episode.steps)
        last = episode.steps[-1]
        assert last.purpose, (episode.task_id, last)
        assert variant.object in (last.thought or "") or variant.target in (last.thought or "")
    assert purposes > 0


async def test_turns_without_an_action_are_left_out(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ActRe explains no action that is empty, and the episode must not be lost for that."""
    ids = begun(store, world, recipe_of())

    def hesitates(history: History) -> str:
        return "" if not history.turns else world.walks[history.observation][len(history.turns) - 1]

    monkeypatch.setattr(world.policy, "choose", hesitates)
    report = await run_chunk(store, world.settings(), "r", ids, "w")
    assert (report.done, report.failed) == (len(ids), 0)
    found = stored(store, Phase.hindsight)
    assert len(found) >= 4
    for episode in found:
        assert [step.index for step in episode.steps] == list(range(len(episode.steps)))
        assert all(step.action and step.thought for step in episode.steps)
        assert plays(world.games, episode)


async def test_without_the_key_nothing_changes(world: World, store: Store) -> None:
    ids = begun(store, world, recipe_of(hindsight=False))
    await run_chunk(store, world.settings(), "r", ids, "w")
    assert stored(store, Phase.hindsight) == []
    assert len(stored(store, Phase.compose)) == len(ids)


async def test_it_is_counted_apart_and_trained_on(world: World, any_store: Store) -> None:
    recipe = recipe_of()
    ids = begun(any_store, world, recipe, samples=2)
    for task in world.tasks:
        own_failure(any_store, task)
    await run_chunk(any_store, world.settings(), "r", ids, "w")
    found = stored(any_store, Phase.hindsight)
    with any_store.session() as session:
        assert all(wins == 0 for _, wins in outcomes_by_task(session, KEY).values())
        chosen = training_set(session, "r", 1, recipe)
    assert set(chosen.successes) < {t.id for t in found}, "equal actions at a task are trained on once"
    assert {t.task_id for t in found if t.id in chosen.successes} == {t.task_id for t in found}
    assert chosen.failures == (), "the failed tasks themselves have no success"
    report = collect_report(any_store, "r")
    [row] = [r for r in report.rounds if r.round == 1]
    counts = row.composition
    assert (counts.composed, counts.kept, counts.rescued) == (len(ids), 0, 0)
    assert counts.failed_tasks == len(world.tasks)
    assert counts.hindsight == len(found) == sum(row.hindsight.values())
    assert counts.steps == sum(len(t.steps) for t in stored(any_store, Phase.compose))
    assert row.spent.episodes == len(ids) + len(world.tasks)
    heads, cells = round_rows(report)
    assert cells[-1][heads.index("hindsight")] == str(len(found))
    assert "## Hindsight, by task type" in markdown(report)
    seed = SeedResult(
        run="r",
        seed=0,
        commit="",
        success=[],
        accumulated=0,
        trials=0,
        training_successes=0,
        training_failures=0,
        composed=counts.composed,
        kept=counts.kept,
        composed_steps=counts.steps,
        failed_tasks=counts.failed_tasks,
        rescued=counts.rescued,
        hindsight=counts.hindsight,
        seconds=0,
    )
    assert (seed.kept_rate, seed.rescued_share) == (0.0, 0.0)
    assert seed.hindsight_rate == pytest.approx(1000 * len(found) / counts.steps)


def own_failure(store: Store, task: Task) -> None:
    values = {
        "id": trajectory_id("r", 1, task.id, "policy", 0),
        "run": "r",
        "round": 1,
        "environment": "alfworld",
        "split": task.split,
        "task_id": task.id,
        "task_type": task.type,
        "kind": "policy",
        "steps": [
            {"index": 0, "observation": "o", "action": "look", "source": "policy", "reason_by": "none", "valid": True}
        ],
        "success": False,
        "stop_reason": "max_steps",
        "created_at": "2026-01-01T00:00:00Z",
    }
    own = Trajectory.model_validate(values)
    with store.session() as session:
        save_trajectory(session, own.id, own, phase=Phase.rollout)


async def test_a_worker_killed_while_it_stores_leaves_nothing_lost_or_doubled(world: World, any_store: Store) -> None:
    ids = begun(any_store, world, recipe_of())
    a = world.addresses
    command = [sys.executable, "-m", "tests.support.killed_worker", any_store.url, a.env, a.policy, a.actre, TOKEN]
    killed = subprocess.run([*command, *ids], check=False, timeout=120, cwd=Path(__file__).parents[2])
    assert killed.returncode == -signal.SIGKILL
    assert stored(any_store, Phase.hindsight) == []
    before = {t.id for t in stored(any_store, Phase.compose)}
    with any_store.session() as session:
        assert phase_counts(session, KEY).get("done", 0) == len(before) < len(ids)
    with any_store.session() as session:  # the lease of the one that was killed ends
        left = ITEMS.where(WorkItem.state == "running")
        session.execute(left.values(lease_until=utc_now() - timedelta(seconds=1)))
    await run_chunk(any_store, world.settings(), "r", ids, "next")
    with any_store.session() as session:
        assert phase_counts(session, KEY) == {"done": len(ids)}
    assert {t.id for t in stored(any_store, Phase.compose)} == set(ids)
    assert sorted(t.task_id for t in stored(any_store, Phase.hindsight)) == expected(world)
    with any_store.session() as session:  # a late worker plays everything once more
        session.execute(ITEMS.values(state="pending", attempts=0, worker=None, lease_until=None))
    assert (await run_chunk(any_store, world.settings(), "r", ids, "late")).done == len(ids)
    assert sorted(t.task_id for t in stored(any_store, Phase.hindsight)) == expected(world)


def expected(world: World) -> list[str]:
    return sorted(r.task.id for r in world.reached.values())


async def test_a_task_of_the_run_is_never_found(world: World, store: Store) -> None:
    """An environment that lists another goal as a held-out task of its own would leak it."""
    ids = begun(store, world, recipe_of())
    held_out = next(iter(world.reached.values())).task
    with store.session() as session:
        add_tasks(session, "r", "held_out", [held_out.model_copy(update={"split": "held"})])
    await run_chunk(store, world.settings(), "r", ids, "w")
    assert sorted(t.task_id for t in stored(store, Phase.hindsight)) == [
        name for name in expected(world) if name != held_out.id
    ]


async def test_what_is_no_other_goal_in_the_same_world_is_left_out(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither another task that is listed, nor one that the actions do not solve."""
    ids = begun(store, world, recipe_of())
    listed, true = world.tasks[0], AlfworldEnvironment.hindsight

    def lies(self: AlfworldEnvironment, task_id: str, *rest: object, **options: object) -> list[ReachedTask]:
        wrong = ReachedTask(task=listed, steps=3)
        unsolved = [r.model_copy(update={"steps": r.steps - 1}) for r in true(self, task_id, *rest, **options)]  # type: ignore[arg-type]
        return [wrong, *(r for r in unsolved if r.steps > 1)]

    monkeypatch.setattr(AlfworldEnvironment, "hindsight", lies)
    report = await run_chunk(store, world.settings(), "r", ids, "w")
    assert (report.done, report.failed) == (len(ids), 0)
    assert stored(store, Phase.hindsight) == []


async def test_a_run_that_begins_with_another_one_has_its_hindsight(world: World, any_store: Store) -> None:
    recipe = recipe_of()
    ids = begun(any_store, world, recipe)
    await run_chunk(any_store, world.settings(), "r", ids, "w")
    with any_store.session() as session:
        create_run(session, "copy", recipe, "", {})
        copy_phase(session, KEY, "copy")
    ours, theirs = (stored(any_store, Phase.hindsight, run) for run in ("copy", "r"))
    assert [t.task_id for t in ours] == [t.task_id for t in theirs]
    assert all(t.id == trajectory_id("copy", 1, t.task_id, "hindsight", t.sample) for t in ours)
    composed = {t.id: t for t in stored(any_store, Phase.compose, "copy")}
    assert all(composed[t.metadata["hindsight"]["episode"]].sample == t.sample for t in ours)


async def test_it_is_written_out_and_read_in_as_what_it_is(world: World, store: Store, tmp_path: Path) -> None:
    ids = begun(store, world, recipe_of())
    await run_chunk(store, world.settings(), "r", ids, "w")
    found = stored(store, Phase.hindsight)
    file = tmp_path / "episodes.jsonl"
    file.write_text("\n".join(t.model_dump_json() for t in found))
    import_file(store, file, ImportOrder(run="taken"))
    taken = stored(store, Phase.hindsight, "taken")
    assert [(t.kind, t.task_id, t.metadata["hindsight"]) for t in taken] == [
        (t.kind, t.task_id, t.metadata["hindsight"]) for t in found
    ]


async def test_an_environment_that_cannot_tell_is_refused_at_the_start(world: World, store: Store) -> None:
    values = {
        "name": "c",
        "environment": "corridor",
        "data": {"split": "train"},
        "compose": {"hindsight": True},
        "rounds": 1,
    }
    with pytest.raises(InvalidInputError, match=r"compose.hindsight is true, but corridor cannot tell") as refused:
        await begin_run(store, world.settings(), parse_recipe(values), "c")
    assert "docs/env-service.md" in (refused.value.hint or "")
    assert not EnvironmentInfo(name="x", engines=[], splits={}, task_types=[], max_steps=1).hindsight
    values["compose"] = {"hindsight": True, "reasons": False}
    with pytest.raises(InvalidInputError, match=r"compose.hindsight needs compose.reasons"):
        parse_recipe(values)
