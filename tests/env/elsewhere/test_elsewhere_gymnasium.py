"""`gymnasium.make` of our environments, in this process and through an env service."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env

from a3t_contracts.errors import ConflictError, InvalidInputError, NotFoundError
from a3t_env.gym import register
from tests.support.examples import EXAMPLES, load_example

GUESS, HOUSE = "a3t/guess-v0", "a3t/ALFWorld-v0"


@pytest.fixture(autouse=True)
def known(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The settings of a person with games and an environment of their own."""
    monkeypatch.setenv("A3T_HOME", str(home))
    monkeypatch.setenv("A3T_ENV_PLUGINS", f"guess={EXAMPLES}/environments/guess.py:Guess")
    assert {GUESS, HOUSE, "a3t/WebShop-v0", "a3t/TextWorld-v0"} <= set(register())
    yield
    gymnasium.registry.pop(GUESS)


@pytest.mark.parametrize("name", [GUESS, HOUSE])
def test_gymnasiums_own_checker_passes(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make(name).unwrapped
        check_env(env)
        env.close()


def test_the_checker_passes_on_a_service(service: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make(HOUSE, url=service).unwrapped
        check_env(env)
        env.close()


@pytest.mark.parametrize("remote", [False, True])
def test_an_episode_is_won_and_the_next_begins(service: str, remote: bool) -> None:
    with gymnasium.make(GUESS, url=service if remote else None, include_actions=True, render_mode="ansi") as env:
        first, told = env.reset(options={"task_id": "train-007"})
        assert (told["task_id"], told["split"], told["success"]) == ("train-007", "train", False)
        low, high, terminated = 1, 20, False
        while not terminated:
            middle = (low + high) // 2
            assert f"guess {middle}" in told["actions"]
            said, reward, terminated, truncated, told = env.step(f"guess {middle}")
            assert env.render() == said
            low, high = (middle + 1, high) if "higher" in said else (low, middle - 1)
        assert (reward, truncated, told["success"]) == (1.0, False, True)
        with pytest.raises(ConflictError, match="over"):
            env.step("guess 1")
        assert env.reset(options={"task_id": "train-007"})[0] == first


def test_the_seed_draws_the_task() -> None:
    with gymnasium.make(GUESS, split="test") as env:
        drawn = [env.reset(seed=seed)[1]["task_id"] for seed in (3, 3, 4, 5, 6)]
        assert drawn[0] == drawn[1]
        assert len(set(drawn)) > 1
        assert all(name.startswith("test-") for name in drawn)
        assert len({env.reset()[1]["task_id"] for _ in range(8)}) > 1, "without a seed the draws go on"
        assert env.reset(options={"split": "train"})[1]["split"] == "train"


def test_the_step_cap_truncates() -> None:
    with gymnasium.make(GUESS, max_steps=1) as env:
        env.reset(options={"task_id": "train-007"})
        _, _, terminated, truncated, told = env.step("nonsense")
        assert (terminated, truncated, told["success"], told["valid"]) == (False, True, False, False)


def test_what_is_wrong_is_told(service: str) -> None:
    with gymnasium.make(GUESS) as env:
        with pytest.raises(NotFoundError, match="no-such-task"):
            env.reset(options={"task_id": "no-such-task"})
        with pytest.raises(NotFoundError, match="no tasks in a split 'dev'"):
            env.reset(options={"split": "dev"})
        with pytest.raises(InvalidInputError, match="'task'"):
            env.reset(options={"task": "train-007"})
        with pytest.raises(gymnasium.error.ResetNeeded):
            env.unwrapped.step("guess 1")
    with pytest.raises(NotFoundError, match="a3t data"):
        gymnasium.make("a3t/WebShop-v0")
    with pytest.raises(NotFoundError, match="a3t data"):
        gymnasium.make("a3t/WebShop-v0", url=service)
    with pytest.raises(NotFoundError, match="no environment 'chess'"):
        gymnasium.make(GUESS, url=service, environment="chess")


def test_the_example_plays() -> None:
    agent = load_example("elsewhere/random_agent.py")
    with gymnasium.make(HOUSE, include_actions=True, max_steps=20) as env:
        assert agent.play(env, 3) == agent.play(env, 3)
