"""Round 0 from imported episodes: which are taken, which tasks they mean, and what of them is left behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from a3t_contracts.errors import ConflictError, InvalidInputError
from a3t_contracts.schemas import EnvironmentInfo, Task
from a3t_orchestrator.driver.imported import TaskNames, take_imported
from a3t_orchestrator.driver.training import training_set
from a3t_orchestrator.interchange.intake import ImportOrder, import_file
from a3t_orchestrator.phases import Phase
from a3t_orchestrator.recipe import Recipe, parse_recipe
from a3t_orchestrator.store import (
    EpisodeFilter,
    PhaseKey,
    Store,
    create_run,
    events,
    iter_trajectories,
    phase_counts,
    trajectory_ids,
    unexplained,
)
from tests.support.episodes import RUN, store_with_run

ROUND0 = {"mode": "imported", "source": "theirs"}
VALUES = {"name": "mine", "environment": "lighthouse", "data": {"split": "train", "held_out": [{"split": "held"}]}}
INFO = EnvironmentInfo(name="lighthouse", engines=[], splits={}, task_types=[], max_steps=5)


def task(name: str, split: str = "train") -> Task:
    return Task(environment="lighthouse", id=name, split=split, type="light")


TRAINING = TaskNames([task("keep/north/one"), task("keep/north/two"), task("keep/south/two")])
HELD_OUT = TaskNames([task("keep/west/five", "held")])


def record(name: str, thought: str | None, success: bool = True) -> str:
    turn = f"Thought: {thought}\nAction: light lamp" if thought else "Action: light lamp"
    messages = [
        {"role": "system", "content": "You are another agent."},
        {"role": "user", "content": f"It is dark.\nThe task is {name}."},
        {"role": "assistant", "content": turn},
    ]
    return json.dumps({"messages": messages, "game_file": name, "success": success})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = store_with_run(f"sqlite:///{tmp_path / 'a3t.db'}", 2)
    lines = [
        record("json_2/keep/north/one/game.z8", "It is dark."),
        record("south/two", None),
        record("two", "Which two is meant?"),
        record("keep/west/five/game.z8", "This one is held out."),
        record("keep/north/two", "It failed.", success=False),
    ]
    (tmp_path / "theirs.jsonl").write_text("\n".join(lines), encoding="utf-8")
    import_file(opened, tmp_path / "theirs.jsonl", ImportOrder("theirs", environment="lighthouse"))
    yield opened
    opened.close()


def take(store: Store, recipe: Recipe) -> None:
    with store.session() as session:
        create_run(session, "mine", recipe, "", {})
        take_imported(session, "mine", recipe, INFO, TRAINING, HELD_OUT)


def test_successes_become_the_demonstrations_of_the_tasks_that_they_name(store: Store) -> None:
    recipe = parse_recipe(VALUES | {"round0": ROUND0})
    take(store, recipe)
    key = PhaseKey("mine", 0, Phase.demonstrate)
    with store.session() as session:
        episodes = list(iter_trajectories(session, trajectory_ids(session, EpisodeFilter(run="mine"))))
        assert {e.task_id: e.task_type for e in episodes} == {
            "keep/north/one": "light",
            "keep/south/two": "light",
            "two": "",
        }
        assert {(e.round, e.kind.value, e.split, e.preamble, e.multiline) for e in episodes} == {
            (0, "demonstration", "train", "", False)
        }
        assert [plan.task_id for plan in unexplained(session, key)] == ["keep/south/two"]
        assert phase_counts(session, key) == {"done": 3}
        assert len(training_set(session, "mine", 0, recipe).successes) == 3
        (told,) = events(session, "mine", kind="imported")
        assert told.data == {"source": "theirs", "taken": 3, "mapped": 2, "left_out": {"at held-out tasks": 1}}


def test_a_run_of_one_s_own_gives_what_it_explored_without_its_tokens(store: Store) -> None:
    take(store, parse_recipe(VALUES | {"round0": ROUND0 | {"source": RUN}}))
    with store.session() as session:
        episodes = list(iter_trajectories(session, trajectory_ids(session, EpisodeFilter(run="mine"))))
    assert len(episodes) == 2 * 3, "a demonstration and two composed successes at each of two tasks"
    assert {e.sample for e in episodes} == {0, 1, 2}
    assert all(s.completion is None and s.completion_ids is None for e in episodes for s in e.steps)


def test_what_cannot_be_learned_from_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInputError, match="is of the environment lighthouse, not desert"):
        take(store, parse_recipe(VALUES | {"environment": "desert", "round0": ROUND0}))
    with store.session() as session:
        create_run(session, "empty", parse_recipe(VALUES), "", {})
    with pytest.raises(ConflictError, match="it has no success"):
        take(store, parse_recipe(VALUES | {"round0": ROUND0 | {"source": "empty"}}))
    with pytest.raises(InvalidInputError, match=r"round0.*set both, or neither"):
        parse_recipe(VALUES | {"round0": {"mode": "imported"}})


def test_a_name_means_the_task_that_it_fits_best(store: Store) -> None:
    """A training task whose path ends like that of a held-out one is learnt from; where both fit alike, it is not."""
    held_out = TaskNames([task("keep/east/one", "held"), task("held/keep/south/two", "held")])
    recipe = parse_recipe(VALUES | {"round0": ROUND0})
    with store.session() as session:
        create_run(session, "mine", recipe, "", {})
        take_imported(session, "mine", recipe, INFO, TRAINING, held_out)
        (told,) = events(session, "mine", kind="imported")
        episodes = iter_trajectories(session, trajectory_ids(session, EpisodeFilter(run="mine")))
        assert "keep/north/one" in {episode.task_id for episode in episodes}
    assert told.data["left_out"] == {"at held-out tasks": 2}, "south/two, and two"
