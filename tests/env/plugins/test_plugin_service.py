"""Plug-ins in Python as the service offers them."""

from __future__ import annotations

import pytest

from a3t_contracts.clients import EnvClient
from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.schemas import SampleRequest, SessionCreate, SessionInfo
from a3t_env.plugins.discovery import targets_of_setting
from tests.env.plugins.conftest import MOODS, ServiceFactory


async def opened(client: EnvClient, environment: str, task: str, **fields: object) -> SessionInfo:
    return await client.create(
        SessionCreate.model_validate({"environment": environment, "task_id": task, "seed": 5, **fields})
    )


async def test_a_class_of_two_methods_is_an_environment(serve: ServiceFactory) -> None:
    async with serve(f"moody={MOODS}:Moody") as client:
        (info,) = [i for i in await client.environments() if i.name == "moody"]
        assert (info.splits, info.max_steps, info.about) == ({"train": 4, "test": 2}, 30, "Say a mood.")
        assert (info.lists_actions, info.samples, info.expert, info.problem) == (False, False, False, "")
        assert "reward of at least 1" in info.success
        tasks = await client.all_tasks("moody", "test")
        assert [(t.id, t.type) for t in tasks] == [("test-000", "task"), ("test-001", "task")]
        session = await opened(client, "moody", "test-001", include_actions=True)
        assert session.observation.startswith("test-001 with ")
        assert session.observation.endswith(" and 5")
        assert session.actions is None
        step = await client.step(session.id, "hello", 0, include_actions=True)
        assert (step.observation, step.valid, step.done, step.actions) == ("1: hello", True, False, None)
        assert (await client.step(session.id, "hello", 0)).observation == "1: hello"
        won = await client.step(session.id, "win")
        assert (won.reward, won.done, won.success) == (1.0, True, True)


async def test_what_it_does_not_offer_is_refused_and_costs_nothing(serve: ServiceFactory) -> None:
    async with serve(f"moody={MOODS}:Moody") as client:
        session = await opened(client, "moody", "train-000")
        for refused in (
            client.actions(session.id),
            client.expert(session.id),
            client.sample(session.id, SampleRequest(seed=1)),
        ):
            with pytest.raises(InvalidInputError, match=r"moody (does not list its|has no expert|neither draws nor)"):
                await refused
        assert (await client.step(session.id, "hello")).observation == "1: hello"


async def test_options_types_lists_and_experts_are_optional(serve: ServiceFactory) -> None:
    async with serve(f"{MOODS}:Rich") as client:
        (info,) = [i for i in await client.environments() if i.name == "moody_plugin"]
        assert (info.lists_actions, info.samples, info.expert) == (True, True, True)
        assert info.task_types == ["odd", "even"]
        session = await opened(client, info.name, "train-001", options={"size": "large"}, include_actions=True)
        assert session.observation.endswith("large, even")
        assert session.actions == ["left", "right", "win"]
        assert await client.expert(session.id) == "win"
        drawn = {await client.sample(session.id, SampleRequest(seed=s, avoid="left")) for s in range(20)}
        assert drawn == {"right", "win"}
        with pytest.raises(InvalidInputError, match="cannot be 'huge'"):
            await opened(client, info.name, "train-001", options={"size": "huge"})


async def test_tasks_may_be_dicts_and_actions_drawn_by_the_plugin(serve: ServiceFactory) -> None:
    async with serve(f"words={MOODS}:Sampling") as client:
        tasks = await client.all_tasks("words", "easy")
        assert [(t.id, t.type) for t in tasks] == [("easy/apple", "a"), ("easy/pear", "p")]
        session = await opened(client, "words", "easy/pear")
        assert session.observation == "The word is pear (easy/pear)."
        assert await client.sample(session.id, SampleRequest(seed=4)) == "letter 1"
        drawn = {await client.sample(session.id, SampleRequest(seed=s, avoid="letter 1")) for s in range(12)}
        assert drawn == {"letter 0", "letter 2"}


async def test_a_plugin_that_cannot_be_loaded_is_listed_with_its_problem(serve: ServiceFactory) -> None:
    plugins = {
        "a": "no_such_module:Game",
        "b": f"{MOODS}:NoSuchClass",
        "c": f"{MOODS}:Tasks",
        "d": "tests.support.broken_plugin:Game",
        "good": f"{MOODS}:make",
    }
    async with serve(",".join(f"{name}={target}" for name, target in plugins.items())) as client:
        infos = {i.name: i for i in await client.environments()}
        assert "no module 'no_such_module'" in infos["a"].problem
        assert "has no 'NoSuchClass'" in infos["b"].problem
        assert "Moody" in infos["b"].problem
        assert "no method reset(self, task, seed)" in infos["c"].problem
        assert "ZeroDivisionError" in infos["d"].problem
        assert "broken_plugin.py:3" in infos["d"].problem
        assert all(not infos[name].splits for name in "abcd")
        with pytest.raises(NotFoundError, match="cannot be used"):
            await opened(client, "a", "train-000")
        assert (await opened(client, "good", "train-000")).steps == 0
        assert (await client.ready())["missing"].keys() >= set("abcd")


def test_the_setting_names_what_it_does_not_understand() -> None:
    assert targets_of_setting(" g = a.b:C , x:y") == {"g": "a.b:C", "x": "x:y"}
    for bad in ("guess", "a=b", "a/b=c:D", "a=b:C,a=d:E"):
        with pytest.raises(InvalidInputError, match="A3T_ENV_PLUGINS"):
            targets_of_setting(bad)
