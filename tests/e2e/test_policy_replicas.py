"""Runs that play at the same time on three replicas of the policy service: each by its own version, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from a3t_actre.app import create_app as create_actre
from a3t_actre.settings import ActReSettings
from a3t_contracts.clients import PolicyClient, TrainerClient
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_env.app import create_app as create_env
from a3t_env.environments import Environments
from a3t_env.settings import EnvSettings
from a3t_orchestrator.driver.context import RunContext
from a3t_orchestrator.driver.learn import go_live
from a3t_orchestrator.recipe import parse_recipe
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import PhaseKey, Plan, Store, create_run, dispatchable, iter_trajectories, plan_work
from a3t_orchestrator.worker import run_chunk
from a3t_policy.app import create_app as create_policy
from a3t_policy.settings import PolicySettings
from a3t_trainer.app import create_app as create_trainer
from a3t_trainer.settings import TrainerSettings
from tests.policy.policy_support import publish_forcing, publish_random
from tests.support.corridor import CorridorEnvironment
from tests.support.live_server import live_server
from tests.support.round_robin import RoundRobin

TOKENS = {"one": 60, "two": 67}
"""Runs, and the only token that each one's agent says."""


@dataclass
class World:
    """Real services; the policy's replicas stand behind one address."""

    stack: AsyncExitStack
    home: Path
    base: Path
    balancer: RoundRobin
    settings: OrchestratorSettings
    store: Store

    def add_replica(self) -> None:
        """Start one more policy service."""
        settings = PolicySettings(
            home=self.home / f"policy-{len(self.balancer.targets)}",
            registry=str(self.home / "registry"),
            policy_base_model=str(self.base),
            policy_device="cpu",
            policy_max_context=512,
            policy_slots=16,
            trainer_url=self.settings.trainer_url,
        )
        self.balancer.targets.append(self.stack.enter_context(live_server(create_policy(settings))))


@asynccontextmanager
async def world_of(base: Path, home: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:

        def serve(app: ASGIApp) -> str:
            return stack.enter_context(live_server(app))

        balancer, corridor = RoundRobin(), CorridorEnvironment()
        store = Store(f"sqlite:///{home / 'a3t.db'}")
        store.upgrade()
        stack.callback(store.close)
        settings = OrchestratorSettings(
            home=home,
            env_url=serve(create_env(EnvSettings(home=home), Environments({"alfworld": lambda: corridor}))),
            actre_url=serve(create_actre(ActReSettings(home=home))),
            trainer_url=serve(create_trainer(TrainerSettings(home=home, trainer_keep_warm=False))),
            policy_url=serve(balancer.app()),
        )
        world = World(stack, home, base, balancer, settings, store)
        world.add_replica()
        world.add_replica()
        yield world


async def begin_round(world: World, run: str) -> list[str]:
    """Publish the run's version as a round does and plan work for it; the ids of the work."""
    limits = {"max_steps": 5, "max_tokens": 4, "outage_seconds": 20}
    values = {"name": run, "environment": "alfworld", "base_model": str(world.base), "limits": limits}
    version, recipe = f"{run}-r00", parse_recipe(values)
    with world.store.session() as session:
        create_run(session, run, recipe, "", {})
    await go_live(RunContext(world.store, world.settings, run, recipe), 0, version)
    key = PhaseKey(run, 1, "rollout")
    with world.store.session() as session:
        tasks = ["corridor-3", "corridor-4", "corridor-5"]
        plan_work(session, key, [Plan(t, "", "train", "policy", n, version) for t in tasks for n in range(2)])
        return dispatchable(session, key)


async def play(world: World, work: dict[str, list[str]]) -> None:
    """Play the episodes of every run at the same time."""
    chunks = (run_chunk(world.store, world.settings, run, ids, "worker") for run, ids in work.items())
    assert [report.failed for report in await asyncio.gather(*chunks)] == [0] * len(work)


async def test_a_round_is_played_by_its_own_version_on_every_replica(tiny_model: Path, tmp_path: Path) -> None:
    for run, token in TOKENS.items():
        publish_forcing(tmp_path / "registry", tiny_model, f"{run}-r00", token)
    async with world_of(tiny_model, tmp_path) as world:
        work = dict(zip(TOKENS, await asyncio.gather(*(begin_round(world, run) for run in TOKENS)), strict=True))
        await play(world, {run: ids[:2] for run, ids in work.items()})
        await asyncio.to_thread(world.add_replica)
        await play(world, {run: ids[2:] for run, ids in work.items()})
        for run, ids in work.items():
            with world.store.session() as session:
                episodes = list(iter_trajectories(session, ids))
            steps = [step for episode in episodes for step in episode.steps]
            assert len(episodes) == 6
            assert {step.policy_version for step in steps} == {f"{run}-r00"}
            assert {token for step in steps for token in step.completion_ids or ()} == {TOKENS[run]}
        acts = {target for target, path in world.balancer.asked if path == "/v1/act"}
        assert acts == set(world.balancer.targets)
        assert len(acts) == 3
        async with TrainerClient(str(world.settings.trainer_url), DEVELOPMENT_TOKEN) as trainer:
            pointer = await trainer.live()
        assert {pointer.version, *pointer.history} == {f"{run}-r00" for run in TOKENS}
        for target in world.balancer.targets:
            async with PolicyClient(target, DEVELOPMENT_TOKEN) as policy:
                assert (await policy.follow()).live == pointer.version


async def test_a_version_that_does_not_load_is_not_made_live(tiny_model: Path, tmp_path: Path) -> None:
    publish_random(tmp_path / "registry", tiny_model, "one-r00", base_fingerprint="0" * 64)
    async with world_of(tiny_model, tmp_path) as world:
        with pytest.raises(InvalidInputError, match="was trained on the base"):
            await begin_round(world, "one")
        async with TrainerClient(str(world.settings.trainer_url), DEVELOPMENT_TOKEN) as trainer:
            assert (await trainer.live()).version is None
