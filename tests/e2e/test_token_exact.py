"""Re-rendering a stored episode gives exactly the token ids that were generated, and every prompt as it was sent.

Real parts from end to end: the shipped base plays generated ALFWorld games, half of its episodes with sampled actions
and ActRe's reasons in them; episodes go through the database and come back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from a3t_actre.app import create_app as create_actre
from a3t_actre.settings import ActReSettings
from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.react import encode_segments, render_trajectory
from a3t_contracts.schemas import Objective, Trajectory, TrajectoryKind, trajectory_id
from a3t_env.alfworld.environment import AlfworldEnvironment
from a3t_env.alfworld.generator import TRAIN_SPLIT, add_generated
from a3t_env.app import create_app as create_env
from a3t_env.settings import EnvSettings
from a3t_orchestrator.gateway import Gateway, ServiceAddresses
from a3t_orchestrator.recipe import Limits, parse_recipe
from a3t_orchestrator.store import Store, create_run, get_trajectory, save_trajectory
from a3t_orchestrator.worker import play_with_restarts
from a3t_orchestrator.worker.plan import EpisodePlan, Exploration
from a3t_policy.app import create_app as create_policy
from a3t_policy.generation import Generated, Generation
from a3t_policy.settings import PolicySettings
from a3t_policy.text import TextCodec
from a3t_trainer.encoding.sequences import encode_all
from a3t_trainer.training.model import load_tokenizer
from tests.support.live_server import live_server

TOKEN, BASE, RUN = "token-exact", "a3t/tiny", "exact"
GAMES, AT_ONCE = 20, 64

Spoken = dict[tuple[int, ...], list[list[int]]]
"""What the policy wrote, by the ids of the prompt that it was given."""


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServiceAddresses, Spoken, list[str]]]:
    """The three services, what their policy is asked and says, and the tasks."""
    home = tmp_path_factory.mktemp("exact-home")
    common = {"home": home, "token": TOKEN}
    folder = home / "data" / "alfworld"
    add_generated(folder, TRAIN_SPLIT, GAMES)
    tasks = [task.id for task in AlfworldEnvironment(folder).tasks(TRAIN_SPLIT)]
    policy = create_policy(
        PolicySettings.model_validate(common | {"policy_base_model": BASE, "policy_max_context": 2048})
    )
    spoken = _overheard(policy.state.backend)
    actre = create_actre(ActReSettings.model_validate(common | {"actre_cache_mb": 0}))
    env = create_env(EnvSettings.model_validate(common))
    with live_server(env) as e, live_server(actre) as a, live_server(policy) as p:
        yield ServiceAddresses(env=e, policy=p, actre=a, token=TOKEN), spoken, tasks


def _overheard(backend: object) -> Spoken:
    """Take down every generation of a backend."""
    spoken: Spoken = {}
    generate = backend.generate  # type: ignore[attr-defined]

    async def listening(generation: Generation) -> Generated:
        done: Generated = await generate(generation)
        spoken.setdefault(tuple(generation.prompt_ids), []).append(list(done.ids or []))
        return done

    backend.generate = listening  # type: ignore[attr-defined]
    return spoken


def plan_of(number: int, task: str, max_steps: int) -> EpisodePlan:
    """Every second episode explores."""
    kind = TrajectoryKind.composed if number % 2 else TrajectoryKind.policy
    rules = Exploration(p=0.3, invalid_streak=2, reasons=True, avoid_policy_action=True) if number % 2 else None
    return EpisodePlan(
        id=trajectory_id(RUN, 1, task, kind, number),
        run=RUN,
        round=1,
        environment="alfworld",
        engine=None,
        split=TRAIN_SPLIT,
        task_id=task,
        task_type="",
        kind=kind,
        sample=number,
        policy_version=BASE,
        seed=number,
        temperature=1.0,
        top_p=1.0,
        max_tokens=24,
        max_steps=max_steps,
        max_invalid=None,
        exploration=rules,
        preamble="Interact with a household to solve a task." if number % 5 == 0 else "",
    )


async def played(addresses: ServiceAddresses, plans: Sequence[EpisodePlan]) -> list[Trajectory]:
    places = asyncio.Semaphore(AT_ONCE)
    async with Gateway(addresses, Limits(outage_seconds=600, call_seconds=600, concurrency=AT_ONCE)) as gateway:

        async def one(plan: EpisodePlan) -> Trajectory:
            async with places:
                return await play_with_restarts(plan, gateway)

        return await asyncio.gather(*(one(plan) for plan in plans))


@asynccontextmanager
async def database(folder: Path) -> AsyncIterator[Store]:
    store = Store(f"sqlite:///{folder / 'exact.db'}")
    store.upgrade()
    with store.session() as session:
        create_run(session, RUN, parse_recipe({"environment": "alfworld", "name": RUN}), "", {})
    yield store
    store.close()


def check(trajectory: Trajectory, codec: TextCodec, spoken: Spoken) -> tuple[int, int]:
    """Compare a stored episode, rendered anew, with what was sent and written; turns and tokens that were compared."""
    episode = encode_segments(codec, render_trajectory(trajectory))
    first = 1 if trajectory.preamble else 0
    turns = tokens = 0
    for step in trajectory.steps:
        if not step.completion_ids:  # none where the reason is ActRe's, or an observation was made up at once
            continue
        segment = first + 1 + 2 * step.index
        start = episode.segment_of.index(segment)
        again = [i for i, at in zip(episode.ids, episode.segment_of, strict=True) if at == segment]
        assert again == step.completion_ids
        assert start == step.prompt_tokens
        said = spoken[tuple(episode.ids[:start])]
        assert again in ([s[: len(again)] for s in said] if step.made_up_observation else said)
        assert codec.decode(again) == step.completion
        turns, tokens = turns + 1, tokens + len(again)
    return turns, tokens


def check_training(trajectories: Sequence[Trajectory], codec: TextCodec) -> None:
    """The trainer's sequences are the same ids."""
    chosen = [(t, 1.0) for t in trajectories if t.steps]
    sequences = encode_all(load_tokenizer(resolve_base_model(BASE)), chosen, Objective(), 4096)
    for (trajectory, _), sequence in zip(chosen, sequences, strict=True):
        assert sequence.ids.tolist() == encode_segments(codec, render_trajectory(trajectory)).ids


async def rendering_again(
    services: tuple[ServiceAddresses, Spoken, list[str]], folder: Path, episodes: int, max_steps: int
) -> None:
    addresses, spoken, tasks = services
    plans = [plan_of(n, tasks[n % len(tasks)], max_steps) for n in range(episodes)]
    made = await played(addresses, plans)
    codec = TextCodec.load(resolve_base_model(BASE))
    async with database(folder) as store:
        with store.session() as session:
            for trajectory in made:
                assert save_trajectory(session, "-", trajectory, phase="explore")
        with store.session() as session:
            stored = [get_trajectory(session, plan.id) for plan in plans]
    assert stored == made
    counts = [check(trajectory, codec, spoken) for trajectory in stored]
    assert sum(turns for turns, _ in counts) > 2 * episodes
    assert sum(tokens for _, tokens in counts) > 10 * episodes
    assert any(step.reason_by == "actre" for trajectory in stored for step in trajectory.steps)
    check_training(stored, codec)


async def test_rendering_a_stored_episode_again(
    services: tuple[ServiceAddresses, Spoken, list[str]], tmp_path: Path
) -> None:
    await rendering_again(services, tmp_path, episodes=24, max_steps=5)


@pytest.mark.slow
async def test_rendering_1000_stored_episodes_again(
    services: tuple[ServiceAddresses, Spoken, list[str]], tmp_path: Path
) -> None:
    await rendering_again(services, tmp_path, episodes=1000, max_steps=8)
