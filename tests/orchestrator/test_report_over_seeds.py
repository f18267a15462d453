"""The report of one recipe with several seeds: means, what is refused, the files and the command."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import StopReason, Trajectory, TrajectoryKind, trajectory_id
from a3t_orchestrator.recipe import parse_recipe
from a3t_orchestrator.report.collect import collect_report
from a3t_orchestrator.report.seeds import SeedsReport, over_seeds
from a3t_orchestrator.report.seeds_text import seeds_markdown
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import Store, create_run, open_round, save_trajectory, touch_run
from tests.support.mini_loop import a3t

RECIPE: dict[str, Any] = {"name": "shop", "environment": "webshop", "data": {"held_out": [{"split": "held"}]}}
KIND = TrajectoryKind.evaluation
TYPES = ("mugs", "oats")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(OrchestratorSettings.model_validate({"home": tmp_path}).database)
    found.upgrade()
    return found


def played(run: str, number: int, task: int, success: bool) -> Trajectory:
    """A trial of a held-out task; one that fails has a reward of 0.5."""
    return Trajectory(
        id=trajectory_id(run, number, f"task-{task}", KIND, 0),
        run=run,
        round=number,
        environment="webshop",
        split="held",
        task_id=f"task-{task}",
        task_type=TYPES[task % 2],
        kind=KIND,
        policy_version="v",
        steps=[],
        reward=1.0 if success else 0.5,
        success=success,
        stop_reason=StopReason.success if success else StopReason.done,
        created_at=datetime.now(UTC),
    )


def store_run(store: Store, name: str, seed: int, solved: list[set[int]], **recipe: Any) -> None:
    """A finished run whose agents solve the given ones of four tasks, a set for each round."""
    with store.session() as session:
        create_run(session, name, parse_recipe({**RECIPE, "seed": seed, **recipe}), "abc", {})
        for number, tasks in enumerate(solved):
            open_round(session, name, number)
            for task in range(4):
                episode = played(name, number, task, task in tasks)
                save_trajectory(session, episode.id, episode, phase="evaluate")
        touch_run(session, name, status="finished")


def gathered(store: Store, *names: str) -> SeedsReport:
    return over_seeds([collect_report(store, name) for name in names])


@pytest.fixture
def both(store: Store) -> SeedsReport:
    store_run(store, "shop-a", 0, [{0}, {1, 2, 3}])
    store_run(store, "shop-b", 1, [{0, 1}, {0, 1}, {0}])
    return gathered(store, "shop-a", "shop-b")


def test_means_are_of_the_rounds_that_all_runs_have(both: SeedsReport) -> None:
    [split] = both.splits
    assert [r.round for r in split.rounds] == [0, 1]
    last = split.rounds[-1]
    assert [s.successes for s in last.single] == [3, 2]
    assert last.mean_single.mean == pytest.approx(0.625)
    assert last.mean_single.low == pytest.approx(0.625 - 12.706 * 0.125)
    assert [s.successes for s in last.accumulated] == [4, 2]
    assert last.mean_reward.mean == pytest.approx((3.5 / 4 + 3 / 4) / 2)
    assert {name: (s.successes, s.n) for name, s in split.by_type.items()} == {"mugs": (2, 4), "oats": (3, 4)}
    assert [(r.seed, r.commit) for r in both.runs] == [(0, "abc"), (1, "abc")]


def test_the_page_names_seeds_and_the_rise(both: SeedsReport) -> None:
    text = seeds_markdown(both)
    assert "| round | seed 0 | seed 1 | mean | accumulated | mean reward |" in text
    assert "| 1 | 75.0 % | 50.0 % | 62.5 % [0.0–100.0] | 75.0 % [0.0–100.0] | 0.81 [0.02–1.00] |" in text
    assert "Round 1: +25.0 points from round 0 (mean over seeds)." in text
    assert "| mugs | 2 of 4 | 50.0 %" in text


def test_runs_that_do_not_belong_together_are_refused(store: Store, both: SeedsReport) -> None:
    assert both.runs
    store_run(store, "again", 0, [{0}])
    store_run(store, "other", 2, [{0}], compose={"p": 0.5}, rounds=7)
    store_run(store, "empty", 3, [])
    with pytest.raises(InvalidInputError, match="'shop-a' and 'again' have the same seed, 0"):
        gathered(store, "shop-a", "again")
    with pytest.raises(InvalidInputError, match=r"'shop-a' and 'other' differ in compose\.p, rounds"):
        gathered(store, "shop-a", "other")
    with pytest.raises(InvalidInputError, match="No round was evaluated"):
        gathered(store, "shop-a", "empty")


def test_the_command_writes_the_files(both: SeedsReport, tmp_path: Path) -> None:
    printed = a3t(tmp_path, "report", "shop-a", "shop-b", "--json")
    assert SeedsReport.model_validate_json(printed.stdout) == both
    done = a3t(tmp_path, "report", "shop-a", "shop-b")
    assert done.returncode == 0, done.stderr
    assert "62.5 %" in done.stdout
    folder = tmp_path / "reports" / "shop-seeds"
    assert (folder / "seeds.md").read_text() == seeds_markdown(both)
    assert SeedsReport.model_validate_json((folder / "seeds.json").read_text()) == both
    assert (folder / "seeds.svg").read_text().startswith("<svg")
