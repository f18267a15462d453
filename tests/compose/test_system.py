"""Two rounds through the containers while parts of the system die, and what the containers are allowed to do."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import httpx
import pytest
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

from tests.compose.project import Project, inspect, kill_process, run

RECIPE = [
    "configs/alfworld-tiny.yaml",
    "--fast",
    "--name",
    "compose-test",
    "--json",
    "--set",
    "rounds=1",
    "--set",
    "data.tasks=12",
    "--set",
    "data.held_out=[{split: generated_heldout, tasks: 4}]",
    "--set",
    "round0.demonstrations=6",
    "--set",
    "limits.max_steps=15",
    "--set",
    "limits.chunk=4",
    "--set",
    "training.round0.optimisation.epochs=6",
    "--set",
    "training.optimisation.max_steps=12",
]
"""The documented command, on a handful of games."""


def wait_until_stored(project: Project, episodes: int, run: Future[str]) -> int:
    """Trajectories stored, once there are that many, the run is over, or a quarter of an hour is."""
    patient = retry(
        retry=retry_if_result(lambda n: n < episodes and not run.done()),
        stop=stop_after_delay(900),
        wait=wait_fixed(2),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else 0,
    )
    return int(patient(project.count)("trajectories"))


@dataclass(frozen=True)
class Finished:
    """A run during which the orchestrator, which drives the run, was replaced by another container, as an upgrade does,
    workers were added, and a worker, the env service and the orchestrator were killed."""

    report: dict[str, object]
    killed: list[str]
    """Ids of the containers."""


@pytest.fixture(scope="module")
def finished(project: Project) -> Iterator[Finished]:
    first = project.containers("orchestrator")
    with ThreadPoolExecutor(1) as driver:
        run = driver.submit(project.compose, "run", "--rm", "-T", "a3t", "run", *RECIPE, timeout=2400)
        stored = wait_until_stored(project, 8, run)
        if run.done():
            run.result()  # says why, where it failed
        assert stored >= 8, "no episodes came"
        project.compose("up", "-d", "--no-deps", "--force-recreate", "--wait", "orchestrator")
        assert project.containers("orchestrator") != first
        victims = project.containers("worker") + project.containers("env") + project.containers("orchestrator")
        project.compose("up", "-d", "--no-recreate", "--no-deps", "--scale", "worker=3", "worker")
        assert not run.done(), "the run was over before anything was killed"
        for victim in victims:
            kill_process(victim)
        yield Finished(json.loads(run.result()), victims)


def test_the_run_finishes_although_parts_die(finished: Finished, project: Project) -> None:
    assert finished.report["run"] == "compose-test"
    assert project.sql("SELECT status FROM runs WHERE name = 'compose-test'") == [["finished"]]
    assert project.count("rounds", "status = 'finished'") == 2


def test_nothing_is_lost_and_nothing_is_double(finished: Finished, project: Project) -> None:
    assert project.sql("SELECT DISTINCT state FROM work_items") == [["done"]]
    wanted = "phase NOT IN ('annotate', 'train')"  # these work on episodes that are there
    items, episodes = project.count("work_items", wanted), project.count("trajectories")
    assert items == episodes > 0
    identity = "run, round, task_id, kind, sample, policy_version, phase"
    assert project.sql(f"SELECT {identity} FROM trajectories GROUP BY {identity} HAVING count(*) > 1") == []  # noqa: S608


def test_each_round_published_an_adapter_that_was_used(finished: Finished, project: Project) -> None:
    versions = {row[0] for row in project.sql("SELECT version FROM rounds ORDER BY round")}
    assert versions == {"compose-test-r00", "compose-test-r01"}
    used = {row[0] for row in project.sql("SELECT DISTINCT policy_version FROM trajectories WHERE phase LIKE '%eval%'")}
    assert versions <= used


def test_what_was_killed_came_back(finished: Finished, project: Project) -> None:
    project.compose(
        "up", "-d", "--no-recreate", "--no-deps", "--scale", "worker=3", "--wait", "worker", "env", "orchestrator"
    )
    assert len(project.containers("worker")) == 3
    assert len(finished.killed) == 3
    for container in finished.killed:
        assert inspect(container)["State"]["Running"]
        assert datetime.fromisoformat(inspect(container)["State"]["FinishedAt"][:19]) > datetime(2000, 1, 1)  # it died


def test_an_older_version_is_put_live_again(finished: Finished, project: Project) -> None:
    headers = {"Authorization": f"Bearer {project.token}"}
    older = {"lora_name": "compose-test-r00", "make_default": True}
    with httpx.Client(base_url="http://127.0.0.1:18102", headers=headers, timeout=60) as policy:
        policy.post("/v1/load_lora_adapter", json=older).raise_for_status()
        assert policy.get("/ready").json()["live"] == "compose-test-r00"
    listed = json.loads(project.compose("run", "--rm", "a3t", "adapters", "list", "--json"))
    assert listed["live"] == "compose-test-r00"


def test_a_backup_can_be_restored(finished: Finished, project: Project) -> None:
    restore = (
        "pg_dump -U a3t -Fc a3t > /tmp/a3t.dump && createdb -U a3t copy && pg_restore -U a3t -d copy /tmp/a3t.dump"
        " && psql -U a3t -d copy -Atc 'SELECT count(*) FROM trajectories'"
    )
    found = project.compose("exec", "-T", "postgres", "sh", "-c", restore)
    assert int(found) == project.count("trajectories")


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
    url = "http://127.0.0.1:18102/v1/models"
    assert httpx.get(url).status_code == 401
    reply = httpx.get(url, headers={"Authorization": f"Bearer {project.token}"})
    assert "a3t/tiny" in [card["id"] for card in reply.json()["data"]]


def test_a_wrong_container_environment_is_refused() -> None:
    command = ["docker", "run", "--rm", "-e", "A3T_MODE=production", "a3t/policy:0.1.0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "A3T_TOKEN must be set" in done.stderr
