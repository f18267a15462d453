"""Two rounds through the containers while parts of the system die, and what the containers are allowed to do."""

from __future__ import annotations

import json
import subprocess
import threading

import httpx
import pytest
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from tests.compose.project import Project, inspect, kill_process, run

RECIPE = [
    "configs/demo.yaml", "--name", "compose-test", "--json",
    "--set", "rounds=1", "--set", "data.tasks=12", "--set", "data.held_out=[{split: generated_heldout, tasks: 4}]",
    "--set", "round0.demonstrations=6", "--set", "compose.samples=4", "--set", "limits.max_steps=15",
    "--set", "training.optimisation.epochs=1", "--set", "training.round0.optimisation.epochs=2",
]  # fmt: skip


def wait_until_stored(project: Project, episodes: int) -> int:
    """Trajectories stored, once there are that many (or after ten minutes)."""
    patient = retry(
        retry=retry_if_result(lambda n: n < episodes), stop=stop_after_delay(600), wait=wait_fixed(2),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else 0,
    )  # fmt: skip
    return int(patient(project.count)("trajectories"))


@pytest.fixture(scope="module")
def finished(project: Project) -> dict[str, object]:
    """The report of a run during which workers were added and a worker and the env service were killed."""
    outcome: dict[str, str] = {}

    def drive() -> None:
        outcome["stdout"] = project.compose("run", "--rm", "-T", "a3t", "run", *RECIPE, timeout=2400)

    thread = threading.Thread(target=drive)
    thread.start()
    assert wait_until_stored(project, 8) >= 8
    project.compose("up", "-d", "--no-recreate", "--scale", "worker=3", "--wait", "worker")
    workers = project.containers("worker")
    assert len(workers) == 3
    kill_process(workers[0])
    kill_process(project.containers("env")[0])
    thread.join(2400)
    assert "stdout" in outcome, "the run did not finish; see compose.log"
    found: dict[str, object] = json.loads(outcome["stdout"])
    return found


def test_the_run_finishes_although_parts_die(finished: dict[str, object], project: Project) -> None:
    assert finished["run"] == "compose-test"
    assert project.sql("SELECT status FROM runs WHERE name = 'compose-test'") == [["finished"]]
    assert project.count("rounds", "status = 'finished'") == 2


def test_nothing_is_lost_and_nothing_is_double(finished: dict[str, object], project: Project) -> None:
    assert project.sql("SELECT DISTINCT state FROM work_items") == [["done"]]
    wanted = "phase NOT IN ('annotate', 'train')"  # these work on episodes that are there
    items, episodes = project.count("work_items", wanted), project.count("trajectories")
    assert items == episodes > 0
    identity = "run, round, task_id, kind, sample, policy_version, phase"
    assert project.sql(f"SELECT {identity} FROM trajectories GROUP BY {identity} HAVING count(*) > 1") == []  # noqa: S608


def test_each_round_published_an_adapter_that_was_used(finished: dict[str, object], project: Project) -> None:
    versions = {row[0] for row in project.sql("SELECT version FROM rounds ORDER BY round")}
    assert versions == {"compose-test-r00", "compose-test-r01"}
    used = {row[0] for row in project.sql("SELECT DISTINCT policy_version FROM trajectories WHERE phase LIKE '%eval%'")}
    assert versions <= used


def test_no_container_is_root_or_writes_to_its_root(project: Project) -> None:
    found = project.containers()
    assert len(found) >= 8
    for container in found:
        facts = inspect(container)
        name = facts["Name"]
        assert facts["HostConfig"]["ReadonlyRootfs"] is True, name
        assert facts["HostConfig"]["CapDrop"] == ["ALL"], name
        assert run(["docker", "exec", container, "id", "-u"]).strip() != "0", name
        mounts = [m["Destination"] for m in facts["Mounts"]] + list(facts["HostConfig"]["Tmpfs"] or {})
        changed = [line[2:] for line in run(["docker", "diff", container]).splitlines()]
        stray = [c for c in changed if not any(m.startswith(c) or c.startswith(m) for m in mounts)]
        assert stray == [], name


def test_the_policy_answers_from_outside_with_the_token_only(project: Project) -> None:
    token = dict(line.split("=", 1) for line in project.env_file.read_text().splitlines())["A3T_TOKEN"]
    url = "http://127.0.0.1:18102/v1/models"
    assert httpx.get(url).status_code == 401
    reply = httpx.get(url, headers={"Authorization": f"Bearer {token}"})
    assert "a3t/tiny" in [card["id"] for card in reply.json()["data"]]


def test_a_wrong_container_environment_is_refused() -> None:
    command = ["docker", "run", "--rm", "-e", "A3T_MODE=production", "a3t/policy:0.1.0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "A3T_TOKEN must be set" in done.stderr
