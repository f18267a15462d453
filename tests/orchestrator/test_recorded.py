"""Runs with `collect: recorded`: which recorded episodes they take, and that every token of them is kept."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import openai
import pytest

from a3t_contracts.clients import PolicyClient
from a3t_contracts.errors import DeadlineError, InvalidInputError
from a3t_contracts.schemas import EpisodeCreate, EpisodeReward, Trajectory, TrajectoryKind
from a3t_contracts.schemas.recording import EPISODE_HEADER
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_env.app import create_app as create_env
from a3t_env.settings import EnvSettings
from a3t_orchestrator.driver.collect import evaluate_split
from a3t_orchestrator.driver.context import RunContext
from a3t_orchestrator.driver.recorded import collect_recorded, evaluate_recorded
from a3t_orchestrator.driver.start import begin_run
from a3t_orchestrator.driver.training import training_set
from a3t_orchestrator.recipe import Recipe, parse_recipe
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import (
    EpisodeFilter,
    Store,
    events,
    get_trajectory,
    run_tasks,
    trajectory_ids,
)
from a3t_policy.app import create_app as create_policy
from a3t_policy.settings import PolicySettings
from a3t_trainer.encoding.recorded import exact_sequences
from tests.support.live_server import live_server

RECORDED = {"name": "own", "environment": "my-game", "collect": "recorded", "recorded": {"episodes": 2}}


@pytest.fixture(scope="module")
def services(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Addresses of an env service without data, and of a policy service."""
    home = tmp_path_factory.mktemp("recorded-home")
    policy = create_policy(
        PolicySettings(
            home=home, policy_base_model=str(tiny_model), policy_device="cpu", policy_live="own", policy_max_context=512
        )
    )
    with live_server(create_env(EnvSettings(home=home))) as env, live_server(policy) as url:
        yield env, url


@pytest.fixture
async def client(services: tuple[str, str]) -> AsyncIterator[PolicyClient]:
    async with PolicyClient(services[1], DEVELOPMENT_TOKEN) as client:
        yield client


@pytest.fixture
def environment(request: pytest.FixtureRequest) -> str:
    """A name that no other test records under, because they share the service."""
    return re.sub(r"\W+", "-", request.node.name)


class Run:
    """A run that has begun, without a driver."""

    def __init__(self, folder: Path, services: tuple[str, str], recipe: Recipe) -> None:
        self.store, self.recipe = Store(f"sqlite:///{folder / 'a3t.db'}"), recipe
        self.store.upgrade()
        env, policy = services
        urls = {"env_url": env, "policy_url": policy, "actre_url": env, "trainer_url": env}
        self.settings = OrchestratorSettings.model_validate({"token": DEVELOPMENT_TOKEN, "home": folder} | urls)

    async def begin(self) -> RunContext:
        name = await begin_run(self.store, self.settings, self.recipe, "own-1")
        return RunContext(self.store, self.settings, name, self.recipe, poll_seconds=0.01)

    def episodes(self, **where: str | int) -> list[Trajectory]:
        with self.store.session() as session:
            ids = trajectory_ids(session, EpisodeFilter(run="own-1", **where))
            return [get_trajectory(session, i) for i in ids]

    def told(self, kind: str) -> str:
        with self.store.session() as session:
            return " ".join(e.message for e in events(session, "own-1", kind=kind))


def recipe_of(environment: str, **changes: object) -> Recipe:
    return parse_recipe(RECORDED | {"environment": environment} | changes)


async def play(
    client: PolicyClient, services: tuple[str, str], task: EpisodeCreate, *, success: bool, turns: int = 2
) -> str:
    """An agent that answers to chats, and cuts what it said before it sends it back."""
    episode = await client.open_episode(task)
    agent = openai.OpenAI(
        base_url=f"{services[1]}/v1", api_key=DEVELOPMENT_TOKEN, default_headers={EPISODE_HEADER: episode.id}
    )
    messages: list[dict[str, str]] = [{"role": "user", "content": "Guess a number."}]
    for turn in range(turns):
        done = await asyncio.to_thread(
            agent.chat.completions.create, model="tgi", messages=messages, max_tokens=4, seed=turn
        )
        said = (done.choices[0].message.content or "")[: None if success else 1]
        messages += [{"role": "assistant", "content": said}, {"role": "user", "content": "No."}]
    await client.reward_episode(episode.id, EpisodeReward(reward=float(success), success=success))
    return episode.id


def task(environment: str, number: int, **changes: object) -> EpisodeCreate:
    return EpisodeCreate.model_validate({"environment": environment, "task_id": f"number-{number}"} | changes)


async def test_a_round_takes_what_was_recorded_of_its_version_with_every_token(
    client: PolicyClient, services: tuple[str, str], tmp_path: Path, environment: str, tiny_model: Path
) -> None:
    run = Run(tmp_path, services, recipe_of(environment))
    context = await run.begin()
    won = await play(client, services, task(environment, 1), success=True)
    lost = await play(client, services, task(environment, 1), success=False)
    await play(client, services, task(environment, 1, run="another"), success=True)
    await play(client, services, task(environment, 1, split="test"), success=True)
    await play(client, services, task(environment, 1), success=True, turns=0)
    state = await collect_recorded(context, 1, str(tiny_model))
    assert (state.total, state.done, state.successes) == (2, 2, 1)
    assert run.told("waiting") == ""
    assert "2 recorded episodes, 1 succeeded. Left out: 1 without a completion." in run.told("recorded")
    episodes = run.episodes()
    assert {e.metadata["recorded"] for e in episodes} == {won, lost}
    for episode in episodes:
        assert (episode.kind, episode.policy_version, episode.round) == ("policy", str(tiny_model), 1)
        calls = (await client.episode(episode.metadata["recorded"])).recorded
        sent = [call.prompt_ids + (call.completion_ids or []) for call in calls]
        sequences = [s.ids for s in exact_sequences(episode, 10**6)]
        assert sequences[-1] == sent[-1]
        assert sequences == (sent[-1:] if len(sequences) == 1 else sent)
        assert [s.completion for s in episode.steps] == [call.completion for call in calls]
    assert max(len(exact_sequences(e, 10**6)) for e in episodes) == 2, "the agent that cuts its texts"
    with run.store.session() as session:
        assert [t.task_id for t in run_tasks(session, "own-1", "train")] == ["number-1"]
        chosen = training_set(session, "own-1", 1, run.recipe)
    assert (len(chosen.successes), len(chosen.failures)) == (1, 1)
    run.store.close()


async def test_a_round_waits_says_so_and_takes_no_episode_twice(
    client: PolicyClient, services: tuple[str, str], tmp_path: Path, environment: str, tiny_model: Path
) -> None:
    run = Run(tmp_path, services, recipe_of(environment))
    context = await run.begin()
    await play(client, services, task(environment, 1), success=True)
    waiting = asyncio.create_task(collect_recorded(context, 1, str(tiny_model)))
    while not run.told("waiting"):
        await asyncio.sleep(0.02)
    told = run.told("waiting")
    assert f"Waiting for 2 recorded episodes of {environment}, split train" in told
    assert "it has 1 so far" in told
    assert f"POST {services[1]}/v1/episodes" in told
    assert not waiting.done()
    await play(client, services, task(environment, 2, kind="composed"), success=False)
    assert (await waiting).done == 2
    assert (await collect_recorded(context, 1, str(tiny_model))).done == 2, "a resumed round has what it had"
    again = asyncio.create_task(collect_recorded(context, 2, str(tiny_model)))
    for number in (1, 3):
        await play(client, services, task(environment, number), success=True)
    await again
    assert [(e.task_id, e.kind.value) for e in run.episodes(round=1)] == [
        ("number-1", "policy"),
        ("number-2", "composed"),
    ]
    assert [e.task_id for e in run.episodes(round=2)] == ["number-1", "number-3"]
    run.store.close()


async def test_other_versions_are_left_out_and_waiting_has_an_end(
    client: PolicyClient, services: tuple[str, str], tmp_path: Path, environment: str
) -> None:
    recipe = recipe_of(environment, recorded={"episodes": 1, "wait_seconds": 0.2})
    run = Run(tmp_path, services, recipe)
    context = await run.begin()
    await play(client, services, task(environment, 1), success=True)
    with pytest.raises(DeadlineError, match=r"0 of 1 recorded episodes arrived .*Left out: 1 of another version"):
        await collect_recorded(context, 1, "own-1-r01")
    assert "let the agent name the model own-1-r01" in run.told("waiting")
    assert run.episodes() == []
    run.store.close()


async def test_held_out_episodes_are_recorded_too_one_of_each_task(
    client: PolicyClient, services: tuple[str, str], tmp_path: Path, environment: str, tiny_model: Path
) -> None:
    recipe = recipe_of(environment, data={"held_out": [{"split": "test", "tasks": 2}]})
    run = Run(tmp_path, services, recipe)
    context = await run.begin()
    for number in (1, 1, 2):
        held_out = task(environment, number, split="test", kind=TrajectoryKind.evaluation)
        await play(client, services, held_out, success=number == 2)
    await evaluate_recorded(context, 1, str(tiny_model), [])
    assert [(e.task_id, e.success) for e in run.episodes(phase="evaluate")] == [("number-1", False), ("number-2", True)]
    assert "1 of a task that has one already" in run.told("recorded")
    with run.store.session() as session:
        tasks = run_tasks(session, "own-1", "held_out")
        assert [t.task_id for t in tasks] == ["number-1", "number-2"]
        assert training_set(session, "own-1", 1, recipe).members == []
    with pytest.raises(InvalidInputError, match="episodes of own-1 are recorded"):
        await evaluate_split(context, {1: str(tiny_model)}, "test", None)
    run.store.close()


async def test_tasks_that_a_recipe_lists_are_the_only_ones(
    client: PolicyClient, services: tuple[str, str], tmp_path: Path, environment: str, tiny_model: Path
) -> None:
    listed = {"tasks": ["number-1", "number-2", "number-2"]}
    run = Run(tmp_path, services, recipe_of(environment, recorded=listed))
    context = await run.begin()
    for number in (3, 1, 2):
        await play(client, services, task(environment, number), success=True, turns=1)
    assert (await collect_recorded(context, 1, str(tiny_model))).total == 2
    assert "Left out: 1 of a task that the run does not have" in run.told("recorded")
    run.store.close()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"recorded": {}}, InvalidInputError, "how many episodes a round needs"),
        ({"recorded": {"tasks": ["a"]}, "data": {"tasks": 2}}, InvalidInputError, "recorded.tasks is the list"),
        ({"data": {"held_out": [{"split": "test"}]}}, InvalidInputError, "how many tasks test has"),
    ],
)
async def test_what_a_run_must_know_of_an_environment_that_nobody_serves(
    services: tuple[str, str],
    tmp_path: Path,
    environment: str,
    changes: dict[str, object],
    error: type[Exception],
    message: str,
) -> None:
    run = Run(tmp_path, services, recipe_of(environment, **changes))
    with pytest.raises(error, match=message):
        await run.begin()
    run.store.close()


def test_a_recorded_recipe_has_defaults_of_its_own() -> None:
    recipe = recipe_of("x")
    assert (recipe.round0.mode, recipe.pairing.own_successes, recipe.evaluation.training_tasks) == ("none", True, False)
    assert recipe_of("x", pairing={"failures": False}).pairing.own_successes
    assert not recipe_of("x", pairing={"own_successes": False}).pairing.own_successes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"round0": {"mode": "few_shot"}}, "round0.mode must be none"),
        ({"round0": {"evaluate_base": True}}, "round0.evaluate_base false"),
        ({"evaluation": {"training_tasks": True}}, "evaluation.training_tasks must be false"),
        ({"training": {"objective": {"name": "label_prefix"}}}, "cannot be label_prefix"),
        ({"recorded": {"episode": 3}}, "recorded.episode: unknown key"),
    ],
)
def test_what_a_recorded_recipe_refuses(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        recipe_of("x", **changes)
