"""TextWorld behind the environment protocol and in the service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from a3t_contracts.errors import (
    ConflictError,
    GoneError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    UpstreamError,
)
from a3t_env.environments import configured
from a3t_env.settings import EnvSettings
from a3t_env.textworld.environment import TextWorldEnvironment
from a3t_env.textworld.episode import TextWorldEpisode
from tests.env.textworld.conftest import PATIENCE

pytestmark = pytest.mark.timeout(900)


def episode_of(environment: TextWorldEnvironment, kind: str) -> TextWorldEpisode:
    """A fresh episode of the training game of a type."""
    (task,) = environment.tasks("train", kind)
    return environment.episode(task.id)


def test_it_is_a_plug_in_with_a_whole_description(textworld_home: Path, tmp_path: Path) -> None:
    empty = configured(EnvSettings(home=tmp_path))
    with pytest.raises(NotFoundError, match="has no tasks yet"):
        empty.get("textworld")
    assert "a3t data generate textworld" in empty.missing()["textworld"]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "textworld").symlink_to(textworld_home)
    info = empty.get("textworld").info()
    assert info.splits == {"train": 3, "heldout": 1}
    assert info.task_types == ["coin_collector", "treasure_hunter", "cooking"]
    assert "go north" in info.about
    assert info.example.rstrip().endswith("Now it is your turn.")
    assert all((info.success, info.get_data))
    empty.close()


@pytest.mark.parametrize("kind", ["coin_collector", "treasure_hunter", "cooking"])
def test_the_expert_wins_every_type(textworld: TextWorldEnvironment, kind: str) -> None:
    episode = episode_of(textworld, kind)
    outcome = episode.start()
    assert "$$" not in outcome.observation
    assert "-= " in outcome.observation
    while not outcome.done:
        action = episode.expert()
        assert action in episode.actions()
        outcome = episode.step(action)
        assert outcome.valid
        assert outcome.reward == float(outcome.done)
    assert outcome.success
    assert outcome.observation.endswith("*** The End ***")
    assert outcome.info["score"] == outcome.info["max_score"]
    with pytest.raises(InvalidInputError, match="no way to win"):
        episode.expert()
    episode.close()


def test_two_episodes_of_a_game_are_equal(textworld: TextWorldEnvironment) -> None:
    one, other = episode_of(textworld, "cooking"), episode_of(textworld, "cooking")
    assert one.start() == other.start()
    for seed in range(6):
        action = one.sample(seed)
        assert action == other.sample(seed)
        assert one.step(action) == other.step(action)
        assert one.actions() == other.actions()
    assert one.sample(1, avoid=one.sample(1)) != one.sample(1)
    one.close()
    other.close()


def test_the_expert_finds_back_after_detours(textworld: TextWorldEnvironment) -> None:
    episode = episode_of(textworld, "coin_collector")
    episode.start()
    first = episode.expert()
    assert episode.step("look").valid
    assert episode.expert() == first
    away = {"north": "south", "south": "north", "east": "west", "west": "east"}[first.removeprefix("go ")]
    episode.step(first)
    onwards = episode.expert()
    episode.step(f"go {away}")
    assert episode.expert() == first
    episode.step(first)
    assert episode.expert() == onwards
    while not episode.step(episode.expert()).done:
        pass
    episode.close()


@pytest.mark.parametrize(
    "action", ["", "xyzzy", "save", "restart", "quit", "tw-print state", "tw-trace-actions", "go nowhere"]
)
def test_what_is_no_action_changes_nothing(textworld: TextWorldEnvironment, action: str) -> None:
    episode = episode_of(textworld, "treasure_hunter")
    episode.start()
    actions, expert = episode.actions(), episode.expert()
    outcome = episode.step(action)
    assert not outcome.valid
    assert not outcome.done
    assert outcome.observation
    assert (episode.actions(), episode.expert()) == (actions, expert)
    episode.close()


def test_it_refuses_what_it_does_not_have(textworld: TextWorldEnvironment) -> None:
    task = textworld.tasks()[0].id
    with pytest.raises(NotFoundError, match="no TextWorld task"):
        textworld.task("train/none")
    with pytest.raises(InvalidInputError, match="no engine"):
        textworld.episode(task, engine="native")
    with pytest.raises(InvalidInputError, match="no option"):
        textworld.episode(task, options={"mode": "hard"})
    with pytest.raises(ConflictError, match="not started"):
        textworld.episode(task).step("look")
    assert textworld.tasks("no-split") == []


@pytest.fixture
def no_process_yet(textworld_home: Path) -> Iterator[TextWorldEnvironment]:
    """The environment before it has started a process, so that a test knows which episode has which."""
    environment = TextWorldEnvironment(textworld_home, 2, load_seconds=PATIENCE, step_seconds=PATIENCE)
    yield environment
    environment.close()


def test_a_process_that_dies_costs_one_episode(no_process_yet: TextWorldEnvironment) -> None:
    textworld = no_process_yet
    lost, other = episode_of(textworld, "coin_collector"), episode_of(textworld, "cooking")
    other.start()
    before = psutil.Process().children()
    lost.start()
    (child,) = [process for process in psutil.Process().children() if process not in before]
    with pytest.raises(OverloadedError, match="All 2 processes of the TextWorld engine"):
        episode_of(textworld, "cooking").start()
    child.kill()
    with pytest.raises(UpstreamError, match="TextWorld engine died"):
        lost.step("look")
    with pytest.raises(GoneError):
        lost.step("look")
    assert other.step("look").valid
    other.close()
    fresh = episode_of(textworld, "coin_collector")
    assert fresh.start().observation
    fresh.close()
