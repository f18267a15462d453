"""Where composed episodes sample actions: repeated actions, unsure turns, branches of the failed trial; and where they
end. The env and ActRe services are real; the policy's turns are written by the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace

import pytest

from a3t_actre.app import create_app as create_actre
from a3t_actre.settings import ActReSettings
from a3t_contracts.react import History
from a3t_contracts.schemas import (
    EnvironmentInfo,
    ReasonQuery,
    Source,
    Step,
    StopReason,
    Trajectory,
    TrajectoryKind,
    Trigger,
    trajectory_id,
)
from a3t_env.app import create_app as create_env
from a3t_env.environments import Environments
from a3t_env.settings import EnvSettings
from a3t_orchestrator.gateway import Gateway, ServiceAddresses
from a3t_orchestrator.recipe import Limits, parse_recipe
from a3t_orchestrator.store import WorkItem
from a3t_orchestrator.worker import play
from a3t_orchestrator.worker.branching import branch_points, branched, branches
from a3t_orchestrator.worker.plan import EpisodePlan, Exploration, plan_episode
from tests.support.corridor import CorridorEnvironment
from tests.support.live_server import live_server
from tests.support.scripted_policy import ScriptedPolicy

TOKEN = "exploration-of-the-tests"


@dataclass
class World:
    """The services, and the policy whose turns a test writes."""

    addresses: ServiceAddresses
    policy: ScriptedPolicy


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    common = {"home": tmp_path_factory.mktemp("home"), "token": TOKEN}
    corridor, policy = CorridorEnvironment(), ScriptedPolicy(lambda _: "")
    env = create_env(EnvSettings.model_validate(common), Environments({"alfworld": lambda: corridor}))
    actre = create_actre(ActReSettings.model_validate(common | {"actre_cache_mb": 0}))
    with live_server(env) as e, live_server(actre) as a, live_server(policy.app(TOKEN)) as p:
        yield World(ServiceAddresses(env=e, policy=p, actre=a, token=TOKEN), policy)


@pytest.fixture
async def gateway(world: World) -> AsyncIterator[Gateway]:
    async with Gateway(world.addresses, Limits(outage_seconds=5)) as opened:
        yield opened


def composed(**changes: object) -> EpisodePlan:
    rules = Exploration(p=0.0, invalid_streak=None, reasons=True, avoid_policy_action=True)
    own = {name: changes.pop(name) for name in list(changes) if name in Exploration.__dataclass_fields__}
    plan = EpisodePlan(
        id=trajectory_id("r", 1, "corridor-4", TrajectoryKind.composed, 0),
        run="r",
        round=1,
        environment="alfworld",
        engine=None,
        split="train",
        task_id="corridor-4",
        task_type="long",
        kind=TrajectoryKind.composed,
        sample=0,
        policy_version="base",
        seed=7,
        temperature=0.0,
        top_p=1.0,
        max_tokens=32,
        max_steps=10,
        max_invalid=None,
        exploration=replace(rules, **own),  # type: ignore[arg-type]
    )
    return replace(plan, **changes)  # type: ignore[arg-type]


def to_and_fro(history: History) -> str:
    """Right and left for ever."""
    return "go left" if len(history.turns) % 2 else "go right"


async def test_an_action_that_would_repeat_after_the_same_observation_is_sampled(
    gateway: Gateway, world: World
) -> None:
    world.policy.choose = to_and_fro
    steps = (await play(composed(repeats=True, max_steps=6), gateway)).steps
    taken: set[tuple[str, str]] = set()
    for step in steps:
        would = step.policy_action if step.source is Source.sampled else step.action
        assert (step.source is Source.sampled) == ((step.observation, would) in taken), step
        assert step.trigger is (Trigger.repeat if step.source is Source.sampled else None)
        taken.add((step.observation, step.action))
    assert any(step.source is Source.sampled and step.thought for step in steps)
    without = await play(composed(max_steps=6), gateway)
    assert {step.source for step in without.steps} == {Source.policy}


async def test_a_turn_that_is_improbable_to_the_policy_is_sampled(gateway: Gateway, world: World) -> None:
    """The scripted policy gives every token the log-probability −0.5: 0.61."""
    world.policy.choose = to_and_fro
    sure = await play(composed(unsure_below=0.6, max_steps=4), gateway)
    assert {step.source for step in sure.steps} == {Source.policy}
    unsure = await play(composed(unsure_below=0.62, max_steps=4), gateway)
    assert {step.trigger for step in unsure.steps} == {Trigger.unsure}
    assert all(step.policy_action for step in unsure.steps)


def failed_trial(gateway: Gateway, world: World, steps: int = 6) -> EpisodePlan:
    world.policy.choose = to_and_fro
    return replace(composed(), kind=TrajectoryKind.policy, exploration=None, max_steps=steps)


async def test_an_episode_goes_with_the_failed_trial_and_leaves_it(gateway: Gateway, world: World) -> None:
    failure = await play(failed_trial(gateway, world), gateway)
    assert branch_points(failure.steps) == [0, 3], "the least sure step (all alike: the first), the first repeat"
    asked: list[int] = []
    world.policy.watch = lambda turn: asked.append(len(turn.history.turns))
    episode = await play(composed(failure=failure, branch_at=3, max_steps=6), gateway)
    world.policy.watch = lambda _: None
    for own, again in zip(failure.steps[:3], episode.steps[:3], strict=True):
        fields = {"seconds"}
        assert again.model_dump(exclude=fields) == own.model_dump(exclude=fields)
    branch = episode.steps[3]
    assert (branch.source, branch.trigger) == (Source.sampled, Trigger.branch)
    assert branch.policy_action == failure.steps[3].action != branch.action
    assert branch.thought
    assert asked == [4, 5], "the policy is asked for nothing that is known"


async def test_what_looks_otherwise_than_then_is_followed_no_longer(gateway: Gateway, world: World) -> None:
    failure = await play(failed_trial(gateway, world), gateway)
    changed = failure.model_copy(update={"steps": [*failure.steps]})
    changed.steps[1] = failure.steps[1].model_copy(update={"observation": "A wall."})
    episode = await play(composed(failure=changed, branch_at=3, max_steps=6), gateway)
    assert {step.source for step in episode.steps} == {Source.policy}


def test_branches_are_drawn_by_the_seed() -> None:
    plans = [composed(seed=seed) for seed in range(400)]
    assert 150 < sum(branches(plan, 0.5) for plan in plans) < 250
    assert [branches(plan, 0.5) for plan in plans] == [branches(plan, 0.5) for plan in plans]
    assert not any(branches(plan, 0.0) for plan in plans)
    steps = [
        step(0, "a", "x", logprobs=[-0.1]),
        step(1, "b", "y", logprobs=[-3.0]),
        step(2, "c", "z", valid=False),
        step(3, "a", "x"),
    ]
    assert branch_points(steps) == [1, 2, 3]
    failure = trial(steps)
    assert {branched(plan, failure).branch_at for plan in plans} == {1, 2, 3}
    assert branched(plans[0], trial(steps, success=True)) == plans[0]
    assert branched(plans[0], trial([])) == plans[0]


async def test_an_episode_without_anything_new_ends(gateway: Gateway, world: World) -> None:
    world.policy.choose = lambda _: "dance"
    episode = await play(composed(max_stale=2), gateway)
    assert (len(episode.steps), episode.stop_reason, episode.success) == (3, StopReason.max_stale, False)
    world.policy.choose = to_and_fro
    episode = await play(composed(max_stale=3), gateway)
    assert (len(episode.steps), episode.stop_reason) == (5, StopReason.max_stale)


@pytest.mark.parametrize(("length", "shown"), [(65_536, 65_536), (65_537, 0)])
def test_a_worked_example_that_no_query_can_hold_is_not_shown_to_actre(length: int, shown: int) -> None:
    environment = EnvironmentInfo(
        name="corridor", engines=[], splits={}, task_types=[], max_steps=9, example="x" * length
    )
    recipe = parse_recipe({"name": "r", "environment": "corridor", "rounds": 1})
    item = WorkItem(id="x", run="r", round=1, phase="compose", task_id="t", task_type="", split="train", sample=0)
    item.kind, item.policy_version = "composed", "base"
    plan = plan_episode(recipe, item, environment)
    history = History(environment="corridor", observation="A corridor.")
    assert len(ReasonQuery(history=history, action="go", example=plan.example).example) == shown


def test_the_recipe_says_where_episodes_explore_and_end() -> None:
    compose = {"repeats": True, "unsure_below": 0.2, "branch": 0.5, "max_stale": 4}
    recipe = parse_recipe(
        {"name": "r", "environment": "corridor", "compose": compose, "limits": {"max_stale": 9}, "rounds": 1}
    )
    environment = EnvironmentInfo(name="corridor", engines=[], splits={}, task_types=[], max_steps=9)
    item = WorkItem(id="x", run="r", round=1, phase="compose", task_id="t", task_type="", split="train", sample=0)
    found = {}
    for kind in ("composed", "policy", "evaluation", "demonstration"):
        item.kind, item.policy_version = kind, "base"
        found[kind] = plan_episode(recipe, item, environment)
    rules = found["composed"].exploration
    assert rules is not None
    assert (rules.repeats, rules.unsure_below) == (True, 0.2)
    stale = {kind: plan.max_stale for kind, plan in found.items()}
    assert stale == {"composed": 4, "policy": 9, "evaluation": 9, "demonstration": None}


def step(index: int, observation: str, action: str, **changes: object) -> Step:
    values = {"index": index, "observation": observation, "action": action, "source": "policy", "reason_by": "none"}
    return Step.model_validate(values | {"valid": True} | changes)


def trial(steps: list[Step], success: bool = False) -> Trajectory:
    values = {
        "id": "0" * 64,
        "run": "r",
        "round": 1,
        "environment": "alfworld",
        "engine": "native",
        "split": "train",
        "task_id": "t",
        "task_type": "",
        "seed": 0,
        "kind": "policy",
        "sample": 0,
        "steps": steps,
        "final_observation": "",
        "reward": float(success),
        "success": success,
        "stop_reason": "success" if success else "max_steps",
        "created_at": "2026-01-01T00:00:00Z",
        "seconds": 1.0,
    }
    return Trajectory.model_validate(values)
