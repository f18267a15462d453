"""The closed loop with the real services, queue, database, engine and a tiny real model."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import AbstractContextManager, closing
from pathlib import Path

import psutil
import pytest

from a3t_contracts.registry import RegistryReader
from a3t_contracts.schemas import Trajectory
from a3t_orchestrator.store import Round, Run, Store, TrajectoryRow, WorkItem
from tests.support.mini_loop import a3t, make_home, write_recipe

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("home"))


SECRETS = {
    "A3T_TOKEN": "the-secret-of-this-loop-1",
    "A3T_TOKEN_SECOND": "the-secret-of-this-loop-2",
    "A3T_READ_TOKENS": "the-secret-of-this-loop-3",
    "A3T_POLICY_UPSTREAM_TOKEN": "the-secret-of-this-loop-4",
    "A3T_ACTRE_UPSTREAM_TOKEN": "the-secret-of-this-loop-5",
}


@pytest.fixture(scope="module")
def command_lines() -> set[str]:
    """Those of every process of the machine, seen while the run was under way."""
    return set()


@pytest.fixture(scope="module")
def report(home: Path, tiny_model: Path, command_lines: set[str]) -> dict[str, object]:
    recipe = write_recipe(home / "mini.yaml", tiny_model)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(1.0):
            processes = psutil.process_iter(["cmdline"])
            command_lines.update(" ".join(process.info["cmdline"] or ()) for process in processes)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        finished = a3t(home, "run", str(recipe), "--json", timeout=1000, A3T_LOG_LEVEL="DEBUG", **SECRETS)
    finally:
        ended.set()
        watcher.join()
    assert finished.returncode == 0, finished.stderr
    assert "the-secret-of-this-loop" not in finished.stdout + finished.stderr
    return dict(json.loads(finished.stdout))


def test_no_secret_is_written_or_shown(home: Path, report: dict[str, object], command_lines: set[str]) -> None:
    assert any("a3t_policy" in line for line in command_lines)
    assert not [line for line in command_lines if "the-secret-of-this-loop" in line]
    files = [path for path in home.rglob("*") if path.is_file()]
    assert {"env.log", "policy.log", "worker.log", "a3t.db"} <= {path.name for path in files}
    assert not [path for path in files if b"the-secret-of-this-loop" in path.read_bytes()]


@pytest.fixture(scope="module")
def episodes(home: Path, report: dict[str, object]) -> list[Trajectory]:
    exported = a3t(home, "trajectories", "export", str(report["run"]))
    assert exported.returncode == 0, exported.stderr
    return [Trajectory.model_validate_json(line) for line in exported.stdout.splitlines()]


def test_every_round_publishes_an_agent(home: Path, report: dict[str, object]) -> None:
    run, rounds = report["run"], report["rounds"]
    assert isinstance(rounds, list)
    versions = [f"{run}-r{n:02d}" for n in range(3)]
    assert [r["version"] for r in rounds] == versions
    assert {r["status"] for r in rounds} == {"finished"}
    registry = RegistryReader(home / "registry")
    assert registry.versions() == versions
    for version in versions:
        registry.fetch(version)
    pointer = registry.live()
    assert pointer is not None
    assert (pointer.version, pointer.history) == (versions[-1], versions[:-1])


def test_each_phase_has_its_episodes(report: dict[str, object], episodes: list[Trajectory]) -> None:
    counts = Counter((e.round, e.kind.value) for e in episodes)
    assert counts[0, "demonstration"] == 3
    assert counts[0, "evaluation"] == 3 + 3
    for number in (1, 2):
        failed = [e for e in episodes if e.round == number and e.kind == "policy" and not e.success]
        assert counts[number, "policy"] == 5
        assert counts[number, "composed"] == 2 * len(failed)
    assert counts[2, "evaluation"] == 3 + 5
    assert len({e.id for e in episodes}) == len(episodes)


def test_every_step_names_where_it_came_from(report: dict[str, object], episodes: list[Trajectory]) -> None:
    run = report["run"]
    for episode in episodes:
        if episode.kind == "demonstration":
            assert {s.source for s in episode.steps} == {"expert"}
            if episode.success:
                assert {s.reason_by for s in episode.steps} == {"actre"}
            continue
        for step in episode.steps:
            if episode.kind in ("policy", "composed"):
                assert step.policy_version == f"{run}-r{episode.round - 1:02d}"
            if step.source == "sampled":
                assert step.reason_by == "actre"
                assert step.thought
                assert step.trigger in ("coin", "invalid")
                assert step.action != step.policy_action
            else:
                assert step.completion_ids
                assert step.logprobs is not None
                assert len(step.logprobs) == len(step.completion_ids)


def test_sampled_steps_follow_the_two_triggers(episodes: list[Trajectory]) -> None:
    triggers = Counter(s.trigger for e in episodes for s in e.steps if s.source == "sampled")
    assert triggers["coin"] > 0
    for episode in episodes:
        sampled = [s.index for s in episode.steps if s.source == "sampled"]
        assert not sampled or episode.kind == "composed"
        for step in episode.steps:
            if step.trigger == "invalid":
                before = episode.steps[step.index - 3 : step.index]
                assert [(s.source, s.valid) for s in before] == [("policy", False)] * 3


def test_the_training_set_pairs_failures_with_successes(home: Path, report: dict[str, object]) -> None:
    rounds = report["rounds"]
    assert isinstance(rounds, list)
    assert all(r["training_successes"] >= 1 for r in rounds)
    assert rounds[0]["training_failures"] == 0
    sizes = [r["training_successes"] + r["training_failures"] for r in rounds]
    assert sizes == sorted(sizes)


def test_nothing_is_left_running_or_undone(home: Path, report: dict[str, object]) -> None:
    assert not (home / "run" / "stack.json").exists()
    mine = [p for p in psutil.process_iter() if _home_of(p) == str(home)]
    assert mine == []
    store = Store(f"sqlite:///{home / 'a3t.db'}")
    with store.session() as session:
        assert {item.state for item in session.query(WorkItem)} == {"done"}
    store.close()


def test_an_episode_can_be_followed(home: Path, episodes: list[Trajectory]) -> None:
    composed = next(e for e in episodes if any(s.source == "sampled" for s in e.steps))
    shown = a3t(home, "trajectories", "show", composed.id[:10]).stdout
    assert "SAMPLED" in shown
    assert "by actre, template" in shown
    first = next(s for s in composed.steps if s.source == "sampled")
    assert first.action in shown
    assert str(composed.policy_version) in shown


def test_the_report_has_every_section(home: Path, report: dict[str, object], tmp_path: Path) -> None:
    written = a3t(home, "report", str(report["run"]), "--out", str(tmp_path))
    assert written.returncode == 0, written.stderr
    page = (tmp_path / "report.html").read_text()
    for heading in (
        "Rounds",
        "by task type",
        "Compared with published",
        "Exploration",
        "How episodes ended",
        "Time and",
    ):
        assert heading in page
    assert "<svg" in page
    assert "http-equiv" not in page
    assert json.loads((tmp_path / "report.json").read_text())["run"] == report["run"]
    assert "| round |" in (tmp_path / "report.md").read_text()


def test_evaluating_again_uses_what_is_there(home: Path, report: dict[str, object]) -> None:
    done = a3t(home, "eval", "--split", "generated_heldout", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["tasks"] == 6
    assert [r["round"] for r in result["rounds"]] == [0, 1, 2]
    assert result["single"]["n"] == result["accumulated"]["n"] == 6


def test_a_finished_run_is_not_resumed(home: Path, report: dict[str, object]) -> None:
    refused = a3t(home, "run", str(home / "mini.yaml"), "--resume", "--name", str(report["run"]))
    assert refused.returncode == 1
    assert "is finished" in refused.stderr


def test_a_run_begins_with_what_another_did(home: Path, report: dict[str, object], tmp_path: Path) -> None:
    """Another objective: everything is taken over up to the training of round 1, under ids of its own."""
    source = str(report["run"])
    changes = ["--set", "rounds=1", "--set", "training.objective.name=sft", "--set", "pairing.failures=false"]
    done = a3t(home, "run", str(home / "mini.yaml"), "--name", "branch", "--from", source, *changes, "--json")
    assert done.returncode == 0, done.stderr
    ours = json.loads(done.stdout)
    with _store(home) as store, store.session() as session:
        rows = {
            (r.run, r.round, r.phase, r.task_id, r.sample): r.steps
            for r in session.query(TrajectoryRow).where(TrajectoryRow.run.in_([source, "branch"]))
        }
        versions = {r.round: r.version for r in session.query(Round).where(Round.run == "branch")}
        states = {item.state for item in session.query(WorkItem).where(WorkItem.run == "branch")}
    shared = {"evaluate_base", "demonstrate", "rollout", "compose"}
    copied = {key[1:] for key in rows if key[0] == "branch" and (key[1] == 0 or key[2] in shared)}
    assert {key[2] for key in rows if key[0] == "branch" and key[1] == 1} == {"rollout", "compose", "evaluate"}
    assert copied == {k[1:] for k in rows if k[0] == source and (k[1] == 0 or k[2] in shared) and k[1] < 2}
    assert all(rows["branch", *key] == rows[source, *key] for key in copied)
    assert versions == {0: f"{source}-r00", 1: "branch-r01"}
    assert states == {"done"}
    assert [r["training_failures"] for r in ours["rounds"]] == [0, 0]


def test_nothing_is_taken_over_from_a_run_with_other_tasks(home: Path, report: dict[str, object]) -> None:
    refused = a3t(home, "run", str(home / "mini.yaml"), "--from", str(report["run"]), "--set", "seed=5")
    assert refused.returncode == 1
    assert "no phase that this recipe would carry out in the same way" in refused.stderr
    with _store(home) as store, store.session() as session:
        assert session.query(Run).where(Run.seed == 5).count() == 0


def test_a_finished_run_goes_on_for_more_rounds(home: Path, report: dict[str, object]) -> None:
    name = str(report["run"])
    done = a3t(home, "run", str(home / "mini.yaml"), "--resume", "--name", name, "--rounds", "3", "--json")
    assert done.returncode == 0, done.stderr
    rounds = json.loads(done.stdout)["rounds"]
    assert [r["version"] for r in rounds] == [f"{name}-r{n:02d}" for n in range(4)]
    assert {r["status"] for r in rounds} == {"finished"}
    assert rounds[3]["training_successes"] >= rounds[2]["training_successes"]


def _store(home: Path) -> AbstractContextManager[Store]:
    return closing(Store(f"sqlite:///{home / 'a3t.db'}"))


def _home_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("A3T_HOME")
    except psutil.Error:
        return None
