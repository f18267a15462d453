"""What operators set: names, probes, restarts, claims, egress, monitoring."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from tests.helm.charts import DIGEST, EXTERNAL, OURS, STORES, TUNED, VARIANTS, pod_of, render

LABEL = 63
Objects = list[dict[str, Any]]


def workload(objects: Objects, component: str) -> dict[str, Any]:
    """The Deployment or StatefulSet of a component."""
    wanted = {"Deployment", "StatefulSet"}
    (found,) = [r for r in objects if r["kind"] in wanted and component_of(r) == component]
    return found


def component_of(resource: dict[str, Any]) -> str:
    return str(resource["metadata"]["labels"]["app.kubernetes.io/component"])


def container(objects: Objects, component: str) -> dict[str, Any]:
    (found,) = workload(objects, component)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def names(objects: Objects) -> set[str]:
    return {f"{r['kind']}/{r['metadata']['name']}" for r in objects}


def mount_names(spec: dict[str, Any], kind: str) -> list[str]:
    """Names of what a pod's containers of a kind mount, one list for all of them."""
    return [m["name"] for c in spec.get(kind, []) for m in c["volumeMounts"]]


@pytest.mark.parametrize("length", [12, 44, 45, 46, 47, 53])
def test_long_release_names_fit_the_labels_that_kubernetes_makes_of_them(length: int) -> None:
    release = ("team-with-a-very-long-name-that-trains-agents-at-night")[:length].rstrip("-").ljust(length, "x")
    objects = render(VARIANTS["everything"], release)
    for resource in objects:
        name = resource["metadata"]["name"]
        hashed = 11 if resource["kind"] == "StatefulSet" else 0  # controller-revision-hash: NAME-0123456789
        assert len(name) + hashed <= LABEL or resource["kind"] in ("NetworkPolicy", "PersistentVolumeClaim"), name
        kubernetes_validate.validate(resource, "1.34", strict=True) if "/" not in resource["apiVersion"] else None
    claims = {r["metadata"]["name"] for r in objects if r["kind"] == "PersistentVolumeClaim"}
    services = {r["metadata"]["name"] for r in objects if r["kind"] == "Service"}
    for resource in objects:
        pod = pod_of(resource) or {}
        used = [v["persistentVolumeClaim"]["claimName"] for v in pod.get("volumes", []) if "persistentVolumeClaim" in v]
        assert set(used) <= claims
    redis = next(v["value"] for v in container(objects, "worker")["env"] if v["name"] == "A3T_REDIS_URL")
    assert redis.split("@")[1].split(":")[0] in services


def test_long_releases_with_the_same_beginning_stay_apart() -> None:
    beginning = "team-with-a-very-long-name-that-trains-agents-at-ni"
    assert names(render({}, f"{beginning}a")) & names(render({}, f"{beginning}b")) == set()


def test_shared_knobs_reach_every_component() -> None:
    objects = render(TUNED)
    accounts = {component_of(r): r for r in objects if r["kind"] == "ServiceAccount"}
    for component in (*OURS, *STORES):
        template = workload(objects, component)["spec"]["template"]
        annotations, spec = template["metadata"]["annotations"], template["spec"]
        assert (annotations["team"], annotations["component"]) == ("agents", component)
        assert spec["priorityClassName"] == ("serving" if component == "policy" else "batch")
        assert spec["nodeSelector"] == {"pool": component}
        assert accounts[component]["metadata"]["annotations"] == {"role": f"role-of-{component}"}
    for component in OURS:
        ours, spec = container(objects, component), workload(objects, component)["spec"]["template"]["spec"]
        assert {"name": "more"} in [source["secretRef"] for source in ours["envFrom"]]
        assert "HTTPS_PROXY" in [variable["name"] for variable in ours["env"]]
        assert mount_names(spec, "containers").count("certificates") == 1
        assert mount_names(spec, "initContainers").count("certificates") == len(spec.get("initContainers", []))
        assert ours["livenessProbe"]["periodSeconds"] == 77
        assert ours["image"].endswith(f"@{DIGEST}")


def test_claims_that_are_there_take_the_place_of_the_charts() -> None:
    objects = render(TUNED)
    assert not [r for r in objects if r["kind"] == "PersistentVolumeClaim"]
    for component in ("env", "policy", "trainer", "orchestrator", *STORES):
        resource = workload(objects, component)
        assert "volumeClaimTemplates" not in resource["spec"]
        volumes = {v["name"]: v for v in resource["spec"]["template"]["spec"]["volumes"]}
        assert volumes["data"]["persistentVolumeClaim"]["claimName"] == f"own-{component}"
        if component in ("policy", "trainer"):
            assert volumes["registry"]["persistentVolumeClaim"]["claimName"] == "own-registry"


def test_a_new_secret_restarts_the_pods_that_read_it() -> None:
    def checksums(objects: Objects) -> set[str]:
        return {
            workload(objects, component)["spec"]["template"]["metadata"]["annotations"]["checksum/secret"]
            for component in (*OURS, *STORES)
        }

    first, second = checksums(render({})), checksums(render({}))
    assert len(first) == len(second) == 1, "one secret a rendering, the one that is rendered"
    assert first != second, "each rendering without a cluster makes another one"


@pytest.mark.parametrize(
    ("policy", "strategy"),
    [
        ({}, "RollingUpdate"),
        ({"gpu": {"count": 1}}, "Recreate"),
        ({"gpu": {"count": 1}, "updateStrategy": "RollingUpdate"}, "RollingUpdate"),
        ({"updateStrategy": "Recreate"}, "Recreate"),
    ],
)
def test_the_policy_answers_while_it_is_updated(policy: dict[str, Any], strategy: str) -> None:
    found = workload(render({"policy": policy}), "policy")["spec"]["strategy"]
    assert found["type"] == strategy
    if strategy == "RollingUpdate":
        assert found["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_the_workers_probe_is_a_shell_that_reads_an_age(tmp_path: Path) -> None:
    worker = container(render({}), "worker")
    path = next(v["value"] for v in worker["env"] if v["name"] == "A3T_WORKER_HEARTBEAT_FILE")
    heartbeat = tmp_path / "heartbeat"
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        command = [word.replace(path, shlex.quote(str(heartbeat))) for word in worker[probe]["exec"]["command"]]
        assert command[0] == "sh"

        def passes(command: list[str] = command) -> bool:
            return subprocess.run(command, capture_output=True).returncode == 0

        heartbeat.unlink(missing_ok=True)
        assert not passes(), "nothing was written yet"
        heartbeat.touch()
        assert passes()
        old = heartbeat.stat().st_mtime - 120
        os.utime(heartbeat, (old, old))
        assert not passes(), "it is old"


def egress(objects: Objects, component: str) -> list[dict[str, Any]]:
    (policy,) = [
        r
        for r in objects
        if r["kind"] == "NetworkPolicy" and r["spec"]["policyTypes"] == ["Egress"] and component_of(r) == component
    ]
    return list(policy["spec"]["egress"])


def callees(rules: list[dict[str, Any]]) -> set[str]:
    return {
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for rule in rules
        for peer in rule.get("to", [])
    }


def test_pods_call_whom_they_need_and_nobody_else() -> None:
    objects = render(VARIANTS["everything"])
    services = {"env", "policy", "actre", "trainer"}
    assert callees(egress(objects, "worker")) == services | set(STORES)
    assert callees(egress(objects, "migrate")) == {"postgres"}
    assert callees(egress(objects, "policy")) == {"trainer"}
    assert callees(egress(objects, "env")) == set()
    assert egress(objects, "postgres") == egress(objects, "redis") == []
    assert {"ports": [{"port": 443, "protocol": "TCP"}]} in egress(objects, "policy")
    for component in (*OURS, "migrate", "test"):
        assert {port["port"] for port in egress(objects, component)[0]["ports"]} == {53}
    outside = render(EXTERNAL | {"networkPolicies": {"egress": {"enabled": True}}})
    assert callees(egress(outside, "worker")) == services, "stores outside need rules of the operator"


def test_workers_are_watched_where_they_answer() -> None:
    objects = render(VARIANTS["everything"])
    worker = container(objects, "worker")
    (port,) = worker["ports"]
    monitor = next(r for r in objects if r["kind"] == "PodMonitor")
    assert monitor["spec"]["podMetricsEndpoints"][0]["port"] == port["name"]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    labels = workload(objects, "worker")["spec"]["template"]["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    variables = {v["name"]: v.get("value") for v in worker["env"]}
    assert variables["A3T_WORKER_METRICS_PORT"] == str(port["containerPort"])
    assert "ports" not in container(render({}), "worker")


def test_alerts_say_what_to_do() -> None:
    rule = next(r for r in render(VARIANTS["everything"]) if r["kind"] == "PrometheusRule")
    (group,) = rule["spec"]["groups"]
    assert len(group["rules"]) >= 5
    for alert in group["rules"]:
        assert {"summary", "description"} == set(alert["annotations"])
        assert 'namespace="a3t"' in alert["expr"], "another release's alarm is not ours"
