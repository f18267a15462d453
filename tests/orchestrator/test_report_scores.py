"""Which episodes a report counts while a run is still going on."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from a3t_contracts.schemas import ReasonBy, Source, Step, StopReason, Trajectory, TrajectoryKind, trajectory_id
from a3t_orchestrator.cli.trajectories import render
from a3t_orchestrator.recipe import parse_recipe
from a3t_orchestrator.report.collect import collect_report
from a3t_orchestrator.report.text import markdown
from a3t_orchestrator.report.write import html
from a3t_orchestrator.store import (
    PhaseKey,
    Plan,
    Store,
    create_run,
    dispatchable,
    open_round,
    plan_work,
    save_trajectory,
)

RECIPE = parse_recipe({"name": "r", "environment": "alfworld", "data": {"split": "train"}})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'a3t.db'}")
    opened.upgrade()
    with opened.session() as session:
        create_run(session, "r-1", RECIPE, "abc", {})
        for number in (0, 1):
            open_round(session, "r-1", number)
    yield opened
    opened.close()


def play(store: Store, key: PhaseKey, split: str, kind: TrajectoryKind, count: int) -> None:
    """Plan two episodes where that has not been done, and end `count` more of them with success."""
    with store.session() as session:
        plan_work(session, key, [Plan(f"task{i}", "pick", split, kind.value, 0, "r-1-r00") for i in range(2)])
        for item in dispatchable(session, key)[:count]:
            ended = Trajectory(
                id=item,
                run="r-1",
                round=key.round,
                environment="alfworld",
                split=split,
                task_id=f"task of {item}",
                task_type="pick",
                kind=kind,
                steps=[],
                reward=1.0,
                success=True,
                stop_reason=StopReason.success,
                created_at=datetime.now(UTC),
            )
            save_trajectory(session, item, ended, phase=key.phase)


def test_a_trial_that_is_not_over_has_no_score(store: Store) -> None:
    key = PhaseKey("r-1", 1, "rollout")
    play(store, key, "train", TrajectoryKind.policy, 1)
    first, second = collect_report(store, "r-1").rounds
    assert first.training is None
    assert second.trial.n == 0
    assert second.stop_reasons == {"rollout": {"success": 1}}, "what was played is not hidden"
    play(store, key, "train", TrajectoryKind.policy, 1)
    first, second = collect_report(store, "r-1").rounds
    assert first.training is not None
    assert (first.training.successes, first.training.n) == (2, 2)
    assert second.trial.n == 2


def test_an_evaluation_counts_split_by_split(store: Store) -> None:
    key = PhaseKey("r-1", 0, "evaluate")
    play(store, key, "valid_seen", TrajectoryKind.evaluation, 2)
    play(store, key, "paper_valid", TrajectoryKind.evaluation, 1)
    evaluations = collect_report(store, "r-1").rounds[0].evaluations
    assert [(e.split, e.single.n) for e in evaluations] == [("valid_seen", 2)]


def test_turns_with_a_made_up_observation_are_counted_and_shown(store: Store) -> None:
    steps = [
        Step(
            index=n,
            observation="room",
            thought="I look.",
            action="",
            source=Source.policy,
            reason_by=ReasonBy.policy,
            valid=False,
            made_up_observation=n != 1,
        )
        for n in range(3)
    ]
    ended = Trajectory(
        id=trajectory_id("r-1", 1, "t", "policy", 0),
        run="r-1",
        round=1,
        environment="alfworld",
        split="train",
        task_id="t",
        kind=TrajectoryKind.policy,
        steps=steps,
        success=False,
        stop_reason=StopReason.max_invalid,
        created_at=datetime.now(UTC),
    )
    with store.session() as session:
        save_trajectory(session, ended.id, ended, phase="rollout")
    report = collect_report(store, "r-1")
    assert [r.made_up_observations for r in report.rounds] == [{}, {"rollout": 2}]
    assert "| 1 | rollout | 0 | 0 | 0 | 1 | 0 | 0 | 0 | 2 |" in markdown(report)
    page = html(report)
    assert "turns with a made-up observation" in page
    assert "max_invalid 1</td><td>2</td>" in page
    screen = Console(width=200, record=True, file=io.StringIO())
    screen.print(render(ended))
    shown = screen.export_text()
    assert shown.count("✗ continued with a made-up observation") == 2
    assert "2 went on with a made-up observation" in shown
