"""The chart with `values-cpu.yaml`, its pods run by a Docker engine: does it come up, play and learn?"""

from __future__ import annotations

import json

from tests.chart.node import Node
from tests.compose.project import inspect, run
from tests.compose.test_system import RECIPE


def test_everything_becomes_ready(node: Node) -> None:
    assert set(node.containers) == {
        f"demo-{part}" for part in ("env", "policy", "actre", "trainer", "worker", "orchestrator", "postgres", "redis")
    }
    assert [name for name, passed in node.probes("livenessProbe").items() if not passed] == []


def test_the_helm_test_lets_the_orchestrator_drive_an_episode(node: Node) -> None:
    episode = json.loads(node.run_hook("test"))
    assert episode["steps"]
    assert episode["run"].startswith("episode-")


def test_a_round_is_learnt_within_the_limits(node: Node) -> None:
    command = ["docker", "exec", "--workdir", "/app", node.containers["demo-orchestrator"], "a3t", "run", *RECIPE]
    report = json.loads(run([*command, "--set", "rounds=0"], timeout=1500))
    assert report["run"] == "compose-test"
    version = run(["docker", "exec", node.containers["demo-policy"], "ls", "/registry"]).split()
    assert "compose-test-r00" in version
    for name, container in node.containers.items():
        state = inspect(container)["State"]
        assert state["Running"], name
        assert not state["OOMKilled"], name
        assert inspect(container)["RestartCount"] == 0, name


def test_no_container_is_root_or_writes_to_its_root(node: Node) -> None:
    for name, container in node.containers.items():
        facts = inspect(container)
        assert facts["HostConfig"]["ReadonlyRootfs"] is True, name
        assert run(["docker", "exec", container, "id", "-u"]).strip() == "10001", name


def test_the_migration_before_an_upgrade_runs(node: Node) -> None:
    assert "has schema" in node.run_hook("pre-upgrade")
