"""The calculator behind the environment protocol and in the service's list."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from a3t_contracts.errors import ConflictError, InvalidInputError, NotFoundError
from a3t_env.calculator.environment import CalculatorEnvironment
from a3t_env.calculator.problems import LARGEST, SPLITS, TYPES, WORDS, make_problems
from a3t_env.environments import configured
from a3t_env.errors import NotOfferedError
from a3t_env.protocol import Episode
from a3t_env.settings import EnvSettings

TASK = "train-0002"  # it has three steps


@pytest.fixture
def episode() -> Episode:
    return CalculatorEnvironment().episode(TASK)


def test_it_needs_no_data_and_describes_itself(tmp_path: Path) -> None:
    environments = configured(EnvSettings(home=tmp_path))
    info = environments.get("calculator").info()
    assert info.splits == SPLITS
    assert (info.lists_actions, info.samples, info.expert) == (False, True, True)
    assert "17 plus 5" in info.about
    assert info.example.rstrip().endswith("Now it is your turn.")
    assert (info.success, info.get_data, info.problem) == ("the answer is the result", "", "")
    environments.close()


def test_tasks_are_the_same_each_time_and_no_two_are_alike() -> None:
    problems = make_problems()
    assert problems == make_problems()
    assert len({p.text for p in problems.values()}) == len(problems) == sum(SPLITS.values())
    assert Counter(p.split for p in problems.values()) == SPLITS
    assert all(1 <= value <= LARGEST for p in problems.values() for value in [*p.values, *p.numbers])
    assert all(len(p.steps) == TYPES[p.type] for p in problems.values())


def test_tasks_are_filtered_and_found() -> None:
    environment = CalculatorEnvironment()
    assert len(environment.tasks()) == sum(SPLITS.values())
    assert [t.id for t in environment.tasks("test", "two_steps")][:2] == ["test-0001", "test-0004"]
    task = environment.task(TASK)
    assert (task.split, task.type) == ("train", "three_steps")
    assert task.instruction == environment.episode(TASK).start().observation
    with pytest.raises(NotFoundError, match="train-9999"):
        environment.task("train-9999")
    with pytest.raises(InvalidInputError, match="no engine"):
        environment.episode(TASK, engine="abacus")
    with pytest.raises(InvalidInputError, match="no option 'size'"):
        environment.episode(TASK, options={"size": "large"})


@pytest.mark.parametrize("number", range(12))
def test_the_expert_solves_every_type_one_operation_at_a_time(number: int) -> None:
    environment = CalculatorEnvironment()
    task = environment.tasks("test")[number]
    episode, outcome, made = environment.episode(task.id), None, []
    episode.start()
    while outcome is None or not outcome.done:
        made.append(episode.expert())
        outcome = episode.step(made[-1])
        assert outcome.valid
        assert outcome.reward == float(outcome.done)
    assert outcome.success
    assert len(made) == TYPES[task.type] + 1
    assert made[-1].startswith("= ")


def test_the_expert_goes_on_from_what_the_agent_has_done(episode: Episode) -> None:
    problem = make_problems()[TASK]
    episode.start()
    assert episode.step("1 / 3").observation == "1/3"
    first, second = problem.steps[:2]
    assert episode.expert() == f"{problem.start} {WORDS[first.sign]} {first.number}"
    whole = f"({problem.start} {first.sign} {first.number}) {second.sign} {second.number}"
    assert episode.step(whole).observation == str(problem.values[2])
    assert episode.expert().startswith(f"{problem.values[2]} {WORDS[problem.steps[2].sign]} ")


def test_a_wrong_answer_ends_the_episode(episode: Episode) -> None:
    episode.start()
    outcome = episode.step(f"= {make_problems()[TASK].values[-1] + 1}")
    assert (outcome.done, outcome.success, outcome.reward, outcome.valid) == (True, False, 0.0, True)
    with pytest.raises(ConflictError, match="over"):
        episode.step("= 1")


@pytest.mark.parametrize("action", ["", "=", "= 3 + 4", "= 1.5", "add 3", "3 +", "1 / 0"])
def test_what_is_no_action_is_answered_and_invalid(episode: Episode, action: str) -> None:
    episode.start()
    outcome = episode.step(action)
    assert (outcome.valid, outcome.done, outcome.reward) == (False, False, 0.0)
    assert outcome.observation


def test_samples_are_actions_of_what_was_shown_and_the_list_is_not_offered(episode: Episode) -> None:
    episode.start()
    drawn = [episode.sample(seed) for seed in range(300)]
    assert drawn == [episode.sample(seed) for seed in range(300)]
    shown = {str(n) for n in make_problems()[TASK].numbers}
    assert {word for action in drawn for word in action.split() if word.isdigit()} == shown
    assert {sign for action in drawn for sign in action.split() if not sign.isdigit()} == {
        "plus",
        "minus",
        "times",
        "=",
    }
    assert all(episode.sample(seed, avoid=drawn[seed]) != drawn[seed] for seed in range(50))
    episode.step("90 + 7")
    assert any("97" in episode.sample(seed).split() for seed in range(300))
    with pytest.raises(NotOfferedError, match="does not list"):
        episode.actions()


def test_an_episode_that_was_not_started_says_so(episode: Episode) -> None:
    for call in (lambda: episode.step("= 1"), lambda: episode.sample(0), episode.expert):
        with pytest.raises(ConflictError, match="not started"):
            call()
