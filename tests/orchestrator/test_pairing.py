"""Filtering and pairing, paper §3."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a3t_orchestrator.driver.collect import evenly, next_samples
from a3t_orchestrator.driver.pairing import Candidate, select_training_set
from a3t_orchestrator.recipe import Pairing, parse_recipe
from a3t_orchestrator.store import RunTask


def episode(name: str, *, round: int = 1, phase: str = "compose", task: str = "t", success: bool = True) -> Candidate:
    return Candidate(name, round, phase, task, 0, success, actions=name.split("/")[0])


def test_composed_failures_are_dropped_and_all_successes_kept() -> None:
    chosen = select_training_set([episode("a"), episode("b"), episode("c", success=False)], Pairing(), seed=0)
    assert chosen.successes == ("a", "b")
    assert chosen.failures == ()
    assert chosen.dropped["failed"] == 1


def test_the_own_failure_is_kept_exactly_where_its_task_has_a_success() -> None:
    chosen = select_training_set(
        [
            episode("own1", phase="rollout", task="t1", success=False),
            episode("own2", phase="rollout", task="t2", success=False),
            episode("won1", task="t1"),
        ],
        Pairing(),
        seed=0,
    )
    assert (chosen.successes, chosen.failures) == (("won1",), ("own1",))
    assert chosen.dropped == {"unpaired_failure": 1}


def test_own_successes_enter_where_the_recipe_says_so() -> None:
    own = episode("own", phase="rollout")
    assert select_training_set([own], Pairing(), 0).successes == ()
    assert select_training_set([own], Pairing(own_successes=True), 0).successes == ("own",)


def test_the_set_accumulates_and_duplicates_enter_once() -> None:
    rounds = [
        episode("same/0", round=0, phase="demonstrate"),
        episode("same/1", round=1),
        episode("same/2", round=2, task="other"),
        episode("new", round=2),
    ]
    chosen = select_training_set(rounds, Pairing(), 0)
    assert chosen.successes == ("same/0", "same/2", "new")
    assert chosen.dropped == {"duplicate": 1}


def test_scope_round_wants_the_success_of_the_same_round() -> None:
    history = [
        episode("demo", round=0, phase="demonstrate"),
        episode("own1", round=1, phase="rollout", success=False),
        episode("own2", round=2, phase="rollout", success=False),
        episode("won2", round=2),
    ]
    assert select_training_set(history, Pairing(), 0).failures == ("own1", "own2")
    assert select_training_set(history, Pairing(scope="round"), 0).failures == ("own2",)


def test_bounds() -> None:
    own = [episode(f"own{i}", phase="rollout", task=f"t{i}", success=False) for i in range(10)]
    won = [episode(f"won{i}", task=f"t{i}") for i in range(10)]
    chosen = select_training_set(own + won, Pairing(max_failure_share=0.2), seed=1)
    assert (len(chosen.successes), len(chosen.failures)) == (10, 2)
    assert select_training_set(own + won, Pairing(max_failure_share=0.2), seed=1) == chosen
    assert select_training_set(own + won, Pairing(failures=False), seed=1).failures == ()
    many = [episode(f"w{i}") for i in range(5)]
    assert len(select_training_set(many, Pairing(max_successes_per_task=2), 0).successes) == 2


candidates = st.lists(
    st.builds(
        Candidate,
        id=st.uuids().map(str),
        round=st.integers(0, 3),
        phase=st.sampled_from(["demonstrate", "few_shot", "rollout", "compose", "evaluate", "evaluate_base"]),
        task_id=st.sampled_from("abc"),
        sample=st.integers(0, 3),
        success=st.booleans(),
        actions=st.sampled_from("xyz"),
    ),
    max_size=30,
)


@given(candidates, st.booleans(), st.sampled_from(["accumulated", "round"]))
def test_what_holds_for_any_history(found: list[Candidate], own: bool, scope: str) -> None:
    chosen = select_training_set(found, Pairing.model_validate({"own_successes": own, "scope": scope}), seed=0)
    by_id = {c.id: c for c in found}
    assert all(by_id[i].success and not by_id[i].phase.startswith("evaluate") for i in chosen.successes)
    assert all(by_id[i].own_trial and not by_id[i].success for i in chosen.failures)
    assert {by_id[i].task_id for i in chosen.failures} <= {by_id[i].task_id for i in chosen.successes}
    keys = [(by_id[i].task_id, by_id[i].actions) for i in chosen.successes]
    assert len(keys) == len(set(keys))


def compose_rules(**values: object) -> object:
    return parse_recipe({"name": "x", "environment": "alfworld", "compose": values}).compose


@pytest.mark.parametrize(
    ("rules", "planned", "successes", "expected"),
    [
        ({"samples": 40}, 0, 0, range(40)),
        ({"samples": 40}, 40, 0, range(0)),
        ({"samples": 20, "first": 3, "stop_at_successes": 1}, 0, 0, range(3)),
        ({"samples": 20, "first": 3, "stop_at_successes": 1}, 3, 1, range(0)),
        ({"samples": 20, "first": 3, "stop_at_successes": 1}, 3, 0, range(3, 4)),
        ({"samples": 20, "first": 3, "stop_at_successes": 1}, 19, 0, range(19, 20)),
        ({"samples": 20, "first": 3, "stop_at_successes": 1}, 20, 0, range(0)),
        ({"samples": 6, "first": 2, "wave": 3}, 2, 2, range(2, 5)),
        ({"samples": 6, "first": 2, "wave": 3}, 5, 2, range(5, 6)),
    ],
)
def test_how_many_are_composed(rules: dict[str, object], planned: int, successes: int, expected: range) -> None:
    assert next_samples(compose_rules(**rules), planned, successes) == expected  # type: ignore[arg-type]


def test_few_demonstrations_show_every_type() -> None:
    types = ["put", "put", "put", "heat", "put", "two", "heat"]
    tasks = [RunTask(task_id=str(n), task_type=type_, split="train") for n, type_ in enumerate(types)]
    assert [t.task_id for t in evenly(tasks, 4)] == ["0", "3", "5", "1"]
    assert [t.task_id for t in evenly(tasks, 9)] == ["0", "3", "5", "1", "6", "2", "4"]
