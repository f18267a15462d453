"""ALFWorld behind the environment protocol, on the native engine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from a3t_contracts.errors import ConflictError, InvalidInputError, NotFoundError, UnplayableError
from a3t_env.alfworld.cache import GameCache
from a3t_env.alfworld.data.index import read_index
from a3t_env.alfworld.environment import AlfworldEnvironment
from a3t_env.alfworld.task_types import TASK_TYPES

_PAGE = 4096


def resident() -> int:
    """Resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def test_info_counts_the_splits(environment: AlfworldEnvironment):
    info = environment.info()
    assert info.engines[0] == "native"
    assert info.splits == {"generated_train": 12, "generated_put": 6}
    assert info.task_types == list(TASK_TYPES)
    assert info.max_steps == 50


def test_tasks_are_filtered_and_named_after_their_trial(environment: AlfworldEnvironment):
    tasks = environment.tasks("generated_train", "pick_heat_then_place_in_recep")
    assert len(tasks) == 2
    assert all(t.id.startswith("generated_train/pick_heat_then_place_in_recep-") for t in tasks)
    assert all("hot" in (t.instruction or "") or "heat" in (t.instruction or "") for t in tasks)
    assert environment.task(tasks[0].id) == tasks[0]
    assert environment.tasks("nothing") == []


def test_verb_form_comes_from_the_game(environment: AlfworldEnvironment):
    forms = {t.split: t.metadata["verb_form"] for t in environment.tasks()}
    assert forms == {"generated_train": "move", "generated_put": "put"}


def test_unknown_things_are_named(environment: AlfworldEnvironment):
    with pytest.raises(NotFoundError, match="no ALFWorld task 'x'"):
        environment.task("x")
    with pytest.raises(InvalidInputError, match="no ALFWorld engine 'fast'"):
        environment.episode(environment.tasks()[0].id, engine="fast")
    with pytest.raises(InvalidInputError, match="no ALFWorld engine 'fast'"):
        AlfworldEnvironment(Path("/nowhere"), default_engine="fast")


def test_an_empty_folder_has_no_tasks(tmp_path: Path):
    environment = AlfworldEnvironment(tmp_path)
    assert environment.tasks() == []
    assert environment.info().splits == {}


def test_episode_outcomes(environment: AlfworldEnvironment):
    episode = environment.episode(environment.tasks()[0].id)
    with pytest.raises(ConflictError, match="not started"):
        episode.step("look")
    first = episode.start()
    assert first.observation.startswith("-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room.")
    assert first.valid
    assert not first.done
    nothing = episode.step("dance")
    assert (nothing.observation, nothing.valid, nothing.reward) == ("Nothing happens.", False, 0.0)
    assert episode.step("look").valid


def test_the_expert_wins_every_type_in_both_forms(environment: AlfworldEnvironment):
    for task in environment.tasks():
        episode = environment.episode(task.id)
        outcome = episode.start()
        for _ in range(50):
            if outcome.done:
                break
            outcome = episode.step(episode.expert())
        assert (outcome.done, outcome.success, outcome.reward) == (True, True, 1.0), task.id


def test_how_the_expert_searches_is_an_option(environment: AlfworldEnvironment):
    lengths = {"likely": 0, "listed": 0}
    for search in lengths:
        for task in environment.tasks():
            episode = environment.episode(task.id, options={"search": search})
            outcome = episode.start()
            while not outcome.done and lengths[search] < 1000:
                outcome = episode.step(episode.expert())
                lengths[search] += 1
            assert outcome.success, task.id
    assert lengths["likely"] != lengths["listed"]
    with pytest.raises(InvalidInputError, match="no search 'wild'"):
        environment.episode(environment.tasks()[0].id, options={"search": "wild"})


def test_the_expert_goes_on_after_foolish_steps(environment: AlfworldEnvironment):
    for number, task in enumerate(environment.tasks()):
        episode = environment.episode(task.id)
        episode.start()
        for step in range(10):
            episode.step(episode.sample(number * 100 + step) if step % 3 else "take moon 1 from sky 1")
        outcome = episode.step("look")
        for _ in range(120):
            if outcome.done:
                break
            outcome = episode.step(episode.expert())
        assert outcome.success, task.id


def test_sampling_is_uniform_and_repeatable(environment: AlfworldEnvironment):
    episode = environment.episode(environment.tasks()[0].id)
    episode.start()
    drawn = [episode.sample(seed) for seed in range(2000)]
    assert drawn == [episode.sample(seed) for seed in range(2000)]
    choices = set(episode.actions()) - {"help"}
    assert set(drawn) == choices
    expected = len(drawn) / len(choices)
    assert all(0.5 * expected < drawn.count(c) < 1.6 * expected for c in choices)


def test_sampling_avoids_one_action(environment: AlfworldEnvironment):
    episode = environment.episode(environment.tasks()[0].id)
    episode.start()
    assert "look" in {episode.sample(seed) for seed in range(500)}
    assert "look" not in {episode.sample(seed, avoid="look") for seed in range(500)}


def test_a_changed_game_is_refused_and_the_others_play_on(alfworld_home: Path, tmp_path: Path):
    home = tmp_path / "data"
    shutil.copytree(alfworld_home, home)
    one, two, *_ = read_index(home).games.values()
    game = home / one.path
    game.write_bytes(game.read_bytes().replace(b"opened", b"closed"))
    environment = AlfworldEnvironment(home)
    with pytest.raises(InvalidInputError, match="changed after it was imported"):
        environment.episode(one.id)
    game.unlink()
    with pytest.raises(UnplayableError, match="cannot be read"):
        environment.episode(one.id)
    assert environment.episode(two.id).start().valid


def test_a_replaced_index_is_read_again_and_a_damaged_one_is_named(alfworld_home: Path, tmp_path: Path):
    home = tmp_path / "data"
    shutil.copytree(alfworld_home, home)
    environment = AlfworldEnvironment(home)
    before = len(environment.tasks())
    content = json.loads((home / "index.json").read_text())
    content["games"] = content["games"][1:]
    (home / "fresh.json").write_text(json.dumps(content))
    (home / "fresh.json").replace(home / "index.json")
    assert len(environment.tasks()) == before - 1
    (home / "index.json").write_text('{"version": 1, "games": [{"id"')
    with pytest.raises(InvalidInputError, match="is damaged"):
        environment.tasks()


def test_a_game_is_parsed_once(alfworld_home: Path):
    cache = GameCache()
    entry = next(iter(read_index(alfworld_home).games.values()))
    assert cache.get(alfworld_home / entry.path, entry.sha256) is cache.get(alfworld_home / entry.path, entry.sha256)


@pytest.mark.parametrize("episodes", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_many_episodes_leave_nothing_behind(environment: AlfworldEnvironment, episodes: int):
    ids = [t.id for t in environment.tasks()]
    files = len(list(Path("/proc/self/fd").iterdir()))
    after_warm_up = 0
    for number in range(episodes):
        episode = environment.episode(ids[number % len(ids)])
        episode.start()
        episode.step("look")
        episode.step(episode.sample(number))
        episode.close()
        if number == episodes // 10:
            after_warm_up = resident()
    assert resident() < 1.05 * after_warm_up
    assert len(list(Path("/proc/self/fd").iterdir())) == files
