"""Comparisons: which runs they plan, what they read from the database, what they refuse."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.schemas import (
    ReasonBy,
    Source,
    Step,
    StopReason,
    Trajectory,
    TrajectoryKind,
    trajectory_id,
)
from a3t_orchestrator.ablation.collect import Comparison, collect_comparison
from a3t_orchestrator.ablation.plan import PlannedRun, load_ablation, planned_runs
from a3t_orchestrator.ablation.write import comparison_markdown, write_comparison
from a3t_orchestrator.report.stats import mean_of
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import Store, create_run, open_round, save_trajectory, touch_run
from tests.support.mini_loop import a3t

ROOT = Path(__file__).parents[2]
FILE = """
name: small
recipe: recipe.yaml
split: held
seeds: [0, 1]
arms:
  plain: {about: as it is}
  often: {about: p is higher, changes: {compose: {p: 0.5}}}
"""
RECIPE = "{name: r, environment: alfworld, rounds: 1, data: {held_out: [{split: held}]}}"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    path = tmp_path / "small.yaml"
    path.write_text(FILE)
    return path


def plan(config: Path) -> list[PlannedRun]:
    return planned_runs(load_ablation(config), config.parent)


def test_every_arm_runs_with_every_seed(config: Path) -> None:
    runs = plan(config)
    assert [r.name for r in runs] == ["small-plain-s0", "small-often-s0", "small-plain-s1", "small-often-s1"]
    assert [(r.recipe.seed, r.recipe.compose.p) for r in runs] == [(0, 0.1), (0, 0.5), (1, 0.1), (1, 0.5)]


def test_a_part_of_the_runs(config: Path) -> None:
    runs = planned_runs(load_ablation(config), config.parent, arms=["often"], seeds=[7])
    assert [(r.name, r.recipe.seed) for r in runs] == [("small-often-s7", 7)]


def test_the_projects_own_comparison_is_valid() -> None:
    path = ROOT / "configs" / "ablations" / "method.yaml"
    ablation = load_ablation(path)
    assert len(ablation.seeds) >= 3
    names = {run.recipe.training.objective.name for run in planned_runs(ablation, path.parent)}
    assert names == {"contrastive", "sft", "dpo", "label_prefix"}


def test_the_comparison_of_actre_is_valid() -> None:
    path = ROOT / "configs" / "ablations" / "actre.yaml"
    runs = {run.arm: run.recipe for run in planned_runs(load_ablation(path), path.parent, seeds=[0])}
    assert not any(recipe.pairing.own_successes for recipe in runs.values())
    assert not any(recipe.compose.reasons for arm, recipe in runs.items() if arm == "no_reasons")
    assert {arm for arm, recipe in runs.items() if recipe.compose.p == 0.0} >= {"plain_sampling", "hot_sampling"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("seeds: [0, 1]", "seeds: [1, 1]", "names a seed twice"),
        ("p: 0.5", "p: 5", "compose.p"),
        ("p: 0.5", "q: 5", "compose.q: unknown key"),
        ("split: held", "split: other", "not evaluated on 'other'"),
        ("arms:", "arms: [", "is not valid YAML"),
        ("seeds: [0, 1]", "seeds: []", "seeds"),
    ],
)
def test_bad_comparisons_are_refused(config: Path, old: str, new: str, words: str) -> None:
    config.write_text(FILE.replace(old, new))
    with pytest.raises(InvalidInputError, match=words):
        plan(config)


def test_what_is_not_there_is_refused(config: Path) -> None:
    with pytest.raises(NotFoundError, match="no comparison"):
        load_ablation(config.with_name("none.yaml"))
    with pytest.raises(InvalidInputError, match="no arm 'none'"):
        planned_runs(load_ablation(config), config.parent, arms=["none"])
    (config.parent / "recipe.yaml").unlink()
    with pytest.raises(NotFoundError, match="no recipe"):
        plan(config)


def test_means_have_students_intervals() -> None:
    found = mean_of([0.5, 0.6, 0.7])
    assert found.mean == pytest.approx(0.6)
    assert found.high == pytest.approx(0.6 + 4.303 * 0.1 / 3**0.5)
    assert mean_of([0.5]).percent == "50.0 %"
    assert mean_of([0.9, 0.1]).percent == "50.0 % [0.0–100.0]"


def store_run(store: Store, run: PlannedRun, successes: list[int]) -> None:
    """A finished run of two rounds, which solved so many of four held-out tasks in each."""
    with store.session() as session:
        create_run(session, run.name, run.recipe, "abc", {})
        for number, solved in enumerate(successes):
            open_round(session, run.name, number)
            for task in range(4):
                episode = played(run.name, number, f"task-{task}", task < solved)
                save_trajectory(session, episode.id, episode, phase="evaluate")
                if number:
                    failed = played(run.name, number, f"own-{task}", False, TrajectoryKind.policy)
                    save_trajectory(session, failed.id, failed, phase="rollout")
                    tried = played(run.name, number, f"own-{task}", task < solved - 1, TrajectoryKind.composed)
                    save_trajectory(session, tried.id, tried, phase="compose")
        touch_run(session, run.name, status="finished")


def played(
    run: str, number: int, task: str, success: bool, kind: TrajectoryKind = TrajectoryKind.evaluation
) -> Trajectory:
    step = Step(
        index=0,
        observation="A room.",
        thought="Because.",
        action="look",
        source=Source.policy,
        reason_by=ReasonBy.policy,
        valid=True,
    )
    return Trajectory(
        id=trajectory_id(run, number, task, kind, 0),
        run=run,
        round=number,
        environment="alfworld",
        split="held",
        task_id=task,
        task_type="pick",
        kind=kind,
        policy_version="v",
        steps=[step],
        reward=float(success),
        success=success,
        stop_reason=StopReason.success if success else StopReason.max_steps,
        created_at=datetime.now(UTC),
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(OrchestratorSettings.model_validate({"home": tmp_path}).database)
    found.upgrade()
    return found


@pytest.fixture
def comparison(config: Path, store: Store) -> Comparison:
    runs = plan(config)
    for run, solved in zip(runs[:3], ([1, 2], [1, 4], [2, 3]), strict=True):
        store_run(store, run, solved)
    return collect_comparison(store, load_ablation(config), runs)


def test_finished_runs_are_compared_seed_by_seed(comparison: Comparison) -> None:
    plain, often = comparison.arms
    assert plain.last is not None
    assert (plain.last.mean, plain.last.n) == (pytest.approx(0.625), 2)
    assert plain.difference is None
    assert often.difference is not None
    assert often.difference.mean == pytest.approx(0.5)
    assert [s.accumulated for s in plain.seeds] == [0.5, 0.75]
    assert comparison.missing == ["small-often-s1"]


def test_differences_are_from_the_arm_that_is_named(comparison: Comparison, config: Path, store: Store) -> None:
    runs = plan(config)
    plain, often = collect_comparison(store, load_ablation(config), runs, "often").arms
    assert often.difference is None
    assert plain.difference is not None
    assert plain.difference.mean == pytest.approx(-0.5)
    alone = planned_runs(load_ablation(config), config.parent, arms=["often"])
    assert collect_comparison(store, load_ablation(config), alone).against == "often"
    with pytest.raises(InvalidInputError, match="'plain' is not part of this table"):
        collect_comparison(store, load_ablation(config), alone, "plain")


def test_exploration_is_compared_by_step_and_by_task(comparison: Comparison) -> None:
    plain, often = comparison.arms
    assert plain.kept is not None
    assert plain.kept.mean == pytest.approx(1000 * (1 / 4 + 2 / 4) / 2)  # one step an episode
    assert plain.kept_difference is None
    assert often.kept_difference is not None
    assert often.kept_difference.mean == pytest.approx(1000 * (3 / 4 - 1 / 4))
    assert often.rescued is not None
    assert often.rescued.mean == pytest.approx(0.75)


def test_the_table_and_the_figure(comparison: Comparison, tmp_path: Path) -> None:
    text = comparison_markdown(comparison)
    assert "| often | 0 | 25.0 % | 100.0 % | +50.0 |" in text
    assert "| 750.00 (+500.00) | 75.0 % (+50.0) |" in text
    assert "Not finished: small-often-s1." in text
    assert "from the run of `plain` with the same seed" in text
    assert "the runs are of commit abc" in text
    paths = write_comparison(comparison, tmp_path / "out")
    assert sorted(paths) == ["json", "md", "svg"]
    assert Comparison.model_validate_json(paths["json"].read_text()) == comparison
    assert paths["svg"].read_text().startswith("<svg")


def test_the_command_reports_what_is_there(comparison: Comparison, config: Path, tmp_path: Path) -> None:
    done = a3t(tmp_path, "ablate", str(config), "--report", "--json")
    assert done.returncode == 0, done.stderr
    assert Comparison.model_validate_json(done.stdout) == comparison
    assert (tmp_path / "reports" / "small" / "comparison.md").read_text() == comparison_markdown(comparison)


def test_the_command_refuses_bad_comparisons(config: Path, tmp_path: Path) -> None:
    done = a3t(tmp_path, "ablate", str(config), "--arm", "none")
    assert done.returncode == 2
    assert "no arm 'none'" in done.stderr
    done = a3t(tmp_path, "ablate", str(config), "--arm", "plain", "--against", "often")
    assert done.returncode == 2
    assert "'often' is not part of this table" in done.stderr
