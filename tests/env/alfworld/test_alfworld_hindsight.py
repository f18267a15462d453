"""Which other goals an ALFWorld episode reached: found by the native engine, checked by playing the episode again."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from starlette.testclient import TestClient

from a3t_contracts.errors import InvalidInputError, NotFoundError, UnplayableError
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_env.alfworld.environment import AlfworldEnvironment
from a3t_env.alfworld.expert.task import parse_task
from a3t_env.alfworld.generator.package import load_package
from a3t_env.alfworld.native.problem import parse_expression
from a3t_env.alfworld.task_types import TASK_TYPES
from a3t_env.alfworld.variant import Variant, split_id
from a3t_env.app import create_app
from a3t_env.environments import Environments
from a3t_env.protocol import Hindsight, Outcome
from a3t_env.settings import EnvSettings
from tests.support.corridor import CorridorEnvironment


def busy(environment: AlfworldEnvironment, task_id: str, seed: int, steps: int = 60) -> list[str]:
    """A random walk of somebody who likes to carry things, put them down and treat them; it ends where it wins."""
    rng, episode, done = random.Random(seed), environment.episode(task_id), []
    episode.start()
    for _ in range(steps):
        actions = episode.actions()
        liked = [a for a in actions if a.split()[0] in ("take", "move", "put", "clean", "heat", "cool", "use", "open")]
        done.append(rng.choice(liked if liked and rng.random() < 0.7 else actions))
        if episode.step(done[-1]).done:
            break
    return done


def replayed(environment: AlfworldEnvironment, task_id: str, actions: Sequence[str]) -> list[Outcome]:
    episode = environment.episode(task_id, "native")
    return [episode.start(), *(episode.step(action) for action in actions)]


def test_what_an_episode_reached_is_won_when_its_actions_are_played_again(environment: AlfworldEnvironment) -> None:
    found: Counter[str] = Counter()
    for number, task in enumerate(environment.tasks()):
        for seed in range(12):
            actions = busy(environment, task.id, 100 * number + seed)
            for reached in environment.hindsight(task.id, actions):
                own, again = replayed(environment, task.id, actions), replayed(environment, reached.task.id, actions)
                wins = [index for index, outcome in enumerate(again) if outcome.success]
                assert wins[0] == reached.steps, "won at this action for the first time"
                assert again[reached.steps].reward == 1.0
                assert again[reached.steps].done
                assert not own[reached.steps].success
                text = f"Your task is to: {reached.task.instruction}"
                assert again[0].observation.endswith(text)
                assert [o.observation for o in again[1:]] == [o.observation for o in own[1:]], "the world is the same"
                assert environment.task(reached.task.id) == reached.task
                assert reached.task.id.rpartition("@")[0] == task.id
                assert reached.task.split == task.split
                found[reached.task.type] += 1
    assert set(found) == set(TASK_TYPES), found


def test_the_task_itself_is_never_found(environment: AlfworldEnvironment) -> None:
    for task in environment.tasks():
        episode, actions = environment.episode(task.id), []
        outcome = episode.start()
        while not outcome.done:
            actions.append(episode.expert())
            outcome = episode.step(actions[-1])
        assert outcome.success
        goal = parse_task(replayed(environment, task.id, [])[0].observation)
        for reached in environment.hindsight(task.id, actions):
            variant = split_id(reached.task.id)[1]
            assert variant is not None
            assert (variant.type, variant.object, variant.target) != (task.type, goal.object, goal.target or goal.lamp)


def test_nothing_is_found_where_nothing_was_done(environment: AlfworldEnvironment) -> None:
    for task in environment.tasks():
        assert environment.hindsight(task.id, []) == []
        assert environment.hindsight(task.id, ["look", "dance", "inventory"]) == []


def test_goals_of_more_than_putting_come_first(environment: AlfworldEnvironment) -> None:
    mixed = 0
    for task in environment.tasks():
        for seed in range(8):
            types = [r.task.type for r in environment.hindsight(task.id, busy(environment, task.id, seed))]
            plain = [name == "pick_and_place_simple" for name in types]
            assert plain == sorted(plain)
            mixed += len(set(plain)) == 2
    assert mixed > 0


@pytest.mark.parametrize("name", TASK_TYPES)
def test_goals_are_those_of_alfred(name: str) -> None:
    package, parts = load_package(), {"obj": "Mug", "recep": "Shelf", "toggle": "Shelf"}
    text = package.goal(name).format(**parts).lower()
    theirs = parse_expression(text[text.index("(:goal") :])[1]
    variant = Variant(name, "mug", "shelf")
    assert variant.asked().goal == theirs
    lines = {t.format(**{k: v.lower() for k, v in parts.items()}) + "." for t in package.templates(name)}
    seen = {Variant(name, "mug", target).instruction.replace(target, "shelf") for target in ("shelf", "bed", "sofa")}
    assert seen <= lines
    assert variant.asked().task == f"Your task is to: {variant.instruction}"


def test_ids_of_other_goals(environment: AlfworldEnvironment) -> None:
    task = environment.tasks()[0]
    assert split_id(task.id) == (task.id, None)
    assert split_id(f"{task.id}@look_at_obj_in_light-mug-desklamp")[1] == Variant(
        "look_at_obj_in_light", "mug", "desklamp"
    )
    for odd in ("@", "@x-y-z", "@pick_and_place_simple-mug", "@pick_and_place_simple-mug 1-shelf", "@x@y"):
        with pytest.raises(NotFoundError):
            environment.task(task.id + odd)
    nowhere = f"{task.id}@pick_and_place_simple-mug-volcano"
    with pytest.raises(UnplayableError, match="volcano"):
        environment.episode(nowhere)
    with pytest.raises(InvalidInputError, match="native"):
        environment.episode(nowhere, engine="official")
    listed = {task.id for task in environment.tasks()}
    assert not any("@" in name for name in listed)


def test_over_http_an_environment_tells_or_says_that_it_cannot(environment: AlfworldEnvironment) -> None:
    assert isinstance(environment, Hindsight)
    assert not isinstance(CorridorEnvironment(), Hindsight)
    both = Environments({"alfworld": lambda: environment, "corridor": CorridorEnvironment})
    task = environment.tasks()[0]
    actions = next(a for seed in range(99) if environment.hindsight(task.id, a := busy(environment, task.id, seed)))
    with TestClient(create_app(EnvSettings(), both)) as client:
        client.headers["Authorization"] = f"Bearer {DEVELOPMENT_TOKEN}"
        infos = client.get("/v1/environments").json()
        assert [info["hindsight"] for info in infos] == [True, False]
        body = {"environment": "alfworld", "task_id": task.id, "actions": actions}
        reached = client.post("/v1/hindsight", json=body).json()["reached"]
        assert reached == [r.model_dump(mode="json") for r in environment.hindsight(task.id, actions)]
        session = {"environment": "alfworld", "task_id": reached[0]["task"]["id"], "engine": reached[0]["engine"]}
        opened = client.post("/v1/sessions", json=session).json()
        assert opened["task"] == reached[0]["task"]
        refused = client.post("/v1/hindsight", json=body | {"environment": "corridor", "task_id": "corridor-3"})
        assert refused.status_code == 422
        assert "corridor cannot tell" in refused.json()["detail"]
        assert "GET /v1/environments" in refused.json()["hint"]
        assert client.post("/v1/hindsight", json=body | {"task_id": "nowhere"}).status_code == 404
