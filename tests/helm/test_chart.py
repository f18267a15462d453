"""The chart: lint, schemas, and what a cluster's operator would check by eye."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from fastapi.testclient import TestClient
from helm_python import Chart, HelmError, lint

from a3t_orchestrator.queue import QUEUES
from a3t_orchestrator.store import Store
from a3t_orchestrator.worker import metrics as worker_metrics
from tests.helm.charts import CHART, DIGEST, EXTERNAL, OURS, STORES, VARIANTS, pod_of, render
from tests.support.apps import APPS
from tests.support.settings_names import unknown_variables

VERSIONS = ["1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36"]
CUSTOM = {"ScaledObject", "TriggerAuthentication", "ServiceMonitor", "PodMonitor", "PrometheusRule"}


@pytest.fixture(scope="module", params=list(VARIANTS))
def objects(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return render(VARIANTS[request.param])


def containers(objects: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any], bool]]:
    """(where, container, is it a long-running one)"""
    found = []
    for resource in objects:
        if (pod := pod_of(resource)) is None:
            continue
        where = f"{resource['kind']}/{resource['metadata']['name']}"
        serves = resource["kind"] in ("Deployment", "StatefulSet")
        found += [(f"{where}:{c['name']}", c, serves) for c in pod["containers"]]
        found += [(f"{where}:{c['name']}", c, False) for c in pod.get("initContainers", [])]
    return found


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_lint_is_clean(variant: str) -> None:
    report = lint(CHART, VARIANTS[variant], strict=True, kube_version="v1.34.0")
    problems = [m for m in report["messages"] if m["severity"] >= 2]
    assert problems == []
    assert report["errors"] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid(objects: list[dict[str, Any]], version: str) -> None:
    for resource in objects:
        if resource["kind"] not in CUSTOM:
            kubernetes_validate.validate(resource, version, strict=True)
    assert len(objects) > 20


def test_containers_are_restricted(objects: list[dict[str, Any]]) -> None:
    for where, container, _ in containers(objects):
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True, where
        assert security["runAsNonRoot"] is True, where
        assert security["runAsUser"] > 0, where
        assert security["allowPrivilegeEscalation"] is False, where
        assert security["capabilities"] == {"drop": ["ALL"]}, where
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, where


def test_containers_have_limits(objects: list[dict[str, Any]]) -> None:
    for where, container, _ in containers(objects):
        for kind in ("requests", "limits"):
            assert {"cpu", "memory"} <= set(container["resources"][kind]), where


def test_what_serves_has_probes(objects: list[dict[str, Any]]) -> None:
    for where, container, serves in containers(objects):
        if serves:
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container), where


def test_pods_carry_no_api_token(objects: list[dict[str, Any]]) -> None:
    pods = [pod for resource in objects if (pod := pod_of(resource))]
    assert pods
    assert all(pod["automountServiceAccountToken"] is False for pod in pods)


def test_secrets_are_never_written_out(objects: list[dict[str, Any]]) -> None:
    for where, container, _ in containers(objects):
        for variable in container.get("env", []):
            if variable["name"].endswith(("TOKEN", "PASSWORD")):
                assert "secretKeyRef" in variable["valueFrom"], (where, variable["name"])


def test_mounts_name_volumes_that_exist(objects: list[dict[str, Any]]) -> None:
    for resource in objects:
        if (pod := pod_of(resource)) is None:
            continue
        claims = [t["metadata"]["name"] for t in resource["spec"].get("volumeClaimTemplates", [])]
        known = {v["name"] for v in pod.get("volumes", [])} | set(claims)
        for container in pod["containers"] + pod.get("initContainers", []):
            assert {m["name"] for m in container.get("volumeMounts", [])} <= known, resource["metadata"]["name"]


def test_selectors_find_their_pods(objects: list[dict[str, Any]]) -> None:
    labels = [
        r["spec"]["template"]["metadata"]["labels"] for r in objects if r["kind"] in ("Deployment", "StatefulSet")
    ]
    for service in (r for r in objects if r["kind"] == "Service"):
        selector = service["spec"]["selector"].items()
        assert sum(selector <= found.items() for found in labels) == 1, service["metadata"]["name"]


def test_claims_that_pods_name_are_rendered(objects: list[dict[str, Any]]) -> None:
    claims = {r["metadata"]["name"] for r in objects if r["kind"] == "PersistentVolumeClaim"}
    claims |= {f"own-{component}" for component in ("registry", *OURS, *STORES)}
    for resource in objects:
        for volume in (pod_of(resource) or {}).get("volumes", []):
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims


def test_every_variable_is_one_that_the_service_reads(objects: list[dict[str, Any]]) -> None:
    for where, container, _ in containers(objects):
        names = [variable["name"] for variable in container.get("env", [])]
        assert unknown_variables(container["name"], names) == set(), where


def test_every_container_may_write_to_tmp(objects: list[dict[str, Any]]) -> None:
    for where, container, _ in containers(objects):
        assert "/tmp" in [mount["mountPath"] for mount in container["volumeMounts"]], where  # noqa: S108


def test_images_are_those_that_compose_builds() -> None:
    compose = yaml.safe_load((CHART.parents[1] / "compose.yaml").read_text())["services"]
    built = {s["image"] for s in compose.values() if "build" in s}
    stores = {compose[name]["image"] for name in ("redis", "postgres")}
    wanted = {re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", image) for image in built | stores}
    assert {c["image"] for _, c, _ in containers(render(VARIANTS["cpu"]))} == wanted


def test_the_uid_is_the_one_of_the_images(objects: list[dict[str, Any]]) -> None:
    for path in (CHART.parents[1] / "services").glob("*/Dockerfile"):
        assert "USER 10001:10001" in path.read_text()
    for resource in objects:
        if pod := pod_of(resource):
            security = pod["securityContext"]
            assert (security["runAsUser"], security["runAsGroup"], security["fsGroup"]) == (10001, 10001, 10001)


def mebibytes(quantity: str) -> int:
    return int(quantity.removesuffix("Mi")) if quantity.endswith("Mi") else 1024 * int(quantity.removesuffix("Gi"))


def test_a_trial_fits_a_small_cluster() -> None:
    """Requests of all that runs at once: less than a core and 4 GiB."""
    pods = [c["resources"]["requests"] for _, c, serves in containers(render(VARIANTS["cpu"])) if serves]
    assert sum(int(r["cpu"].removesuffix("m")) for r in pods) < 1000
    assert sum(mebibytes(r["memory"]) for r in pods) < 4096


def affinity(values: dict[str, Any], component: str) -> str | None:
    """The component beside whose pods this one's must run."""
    deployment = next(
        r for r in render(values) if r["kind"] == "Deployment" and r["metadata"]["name"] == f"demo-{component}"
    )
    wanted = deployment["spec"]["template"]["spec"].get("affinity", {}).get("podAffinity")
    if wanted is None:
        return None
    (term,) = wanted["requiredDuringSchedulingIgnoredDuringExecution"]
    return str(term["labelSelector"]["matchLabels"]["app.kubernetes.io/component"])


def test_pods_that_share_a_volume_of_one_node_stay_together() -> None:
    assert affinity(VARIANTS["cpu"], "trainer") == "policy"
    assert affinity(VARIANTS["cpu"], "env") == "env"
    assert affinity(VARIANTS["default"], "trainer") is None
    assert affinity(EXTERNAL, "trainer") is None
    assert affinity({"env": {"persistence": {"accessMode": "ReadWriteMany"}}}, "env") is None


def callers(objects: list[dict[str, Any]], component: str) -> list[dict[str, Any]]:
    policy = next(r for r in objects if r["kind"] == "NetworkPolicy" and r["metadata"]["name"] == f"demo-{component}")
    return list(policy["spec"]["ingress"][0]["from"])


def test_who_needs_a_service_is_let_through() -> None:
    objects = render(VARIANTS["everything"])
    for resource in objects:
        if (pod := pod_of(resource)) is None:
            continue
        labels = (resource["spec"].get("template") or resource)["metadata"]["labels"]
        for container in pod["containers"] + pod.get("initContainers", []):
            for variable in container.get("env", []):
                for name in re.findall(r"demo-(\w+):\d+", str(variable.get("value", ""))):
                    if container["name"] == "migrate" and name != "postgres":
                        continue  # it shares its variables with the worker and asks the database only
                    allowed = [c["podSelector"]["matchLabels"] for c in callers(objects, name) if "podSelector" in c]
                    assert any(match.items() <= labels.items() for match in allowed), (container["name"], name)


def test_keda_may_ask_redis() -> None:
    keda = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}}}
    assert keda in callers(render(VARIANTS["everything"]), "redis")
    assert keda not in callers(render(VARIANTS["default"]), "redis")


def test_keda_on_a_redis_outside_needs_its_address() -> None:
    keda = {"enabled": True, "checkCrd": False}
    with pytest.raises(HelmError, match=r"worker\.keda\.redisAddress is needed"):
        render(EXTERNAL | {"worker": {"keda": keda}})
    objects = render(EXTERNAL | {"worker": {"keda": keda | {"redisAddress": "redis.example.com:6379"}}})
    triggers = next(r for r in objects if r["kind"] == "ScaledObject")["spec"]["triggers"]
    assert {t["metadata"]["address"] for t in triggers} == {"redis.example.com:6379"}
    assert {t["metadata"]["listName"] for t in triggers} == set(QUEUES)


def test_the_policy_is_there_while_a_run_needs_it(tmp_path: Path) -> None:
    keda = {"policy": {"keda": {"enabled": True, "checkCrd": False}}}
    objects = render(VARIANTS["gpu"] | {"policy": VARIANTS["gpu"].get("policy", {}) | keda["policy"]})
    scaled = {o["metadata"]["name"]: o["spec"] for o in objects if o["kind"] == "ScaledObject"}
    assert set(scaled) == {"demo-policy", "demo-vllm"}
    deployments = {o["metadata"]["name"]: o["spec"] for o in objects if o["kind"] == "Deployment"}
    Store(f"sqlite:///{tmp_path / 'a3t.db'}").upgrade()
    exported = TestClient(APPS["orchestrator"](tmp_path)).get("/metrics").text
    for name, spec in scaled.items():
        assert "replicas" not in deployments[spec["scaleTargetRef"]["name"]], name
        assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 1)
        for trigger in spec["triggers"]:
            assert trigger["metadata"]["url"] == "http://demo-orchestrator.a3t.svc:8100/metrics"
            assert f"\n{trigger['metadata']['valueLocation']} 0.0\n" in exported
    from_keda = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}}}
    assert from_keda in callers(objects, "orchestrator")
    assert from_keda not in callers(render(VARIANTS["default"]), "orchestrator")


def test_custom_resources_wait_for_their_definitions() -> None:
    monitors = {key: {"enabled": True} for key in ("serviceMonitor", "podMonitor", "prometheusRule")}
    asked = {"worker": {"keda": {"enabled": True}}, "policy": {"keda": {"enabled": True}}, "metrics": monitors}
    assert CUSTOM.isdisjoint({r["kind"] for r in render(asked)})


def test_an_ingress_needs_a_host() -> None:
    with pytest.raises(HelmError, match=r"ingress\.enabled needs"):
        render({"ingress": {"enabled": True}})


def kinds(variant: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for resource in render(VARIANTS[variant]):
        found.setdefault(resource["kind"], []).append(resource["metadata"]["name"])
    return found


def test_optional_parts() -> None:
    everything, plain, external = kinds("everything"), kinds("default"), kinds("external")
    for kind in (
        "ScaledObject",
        "HorizontalPodAutoscaler",
        "Ingress",
        "ServiceMonitor",
        "PodMonitor",
        "PrometheusRule",
    ):
        assert kind in everything
        assert kind not in plain
    assert "demo-dashboard" in everything["ConfigMap"]
    assert everything["HorizontalPodAutoscaler"] == ["demo-env"]
    assert plain["Secret"] == ["demo-secrets"]
    assert "Secret" not in external
    assert "StatefulSet" not in external
    assert "demo-registry" not in external["PersistentVolumeClaim"]


def test_the_trainer_never_shares_its_gpu() -> None:
    trainer = next(
        r for r in render(VARIANTS["gpu"]) if r["metadata"]["name"] == "demo-trainer" and r["kind"] == "Deployment"
    )
    assert trainer["spec"]["replicas"] == 1
    assert trainer["spec"]["strategy"] == {"type": "Recreate"}
    assert trainer["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_migrations_run_before_an_install_on_an_external_database() -> None:
    job = next(r for r in render(EXTERNAL) if r["kind"] == "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"polcy": {}}, "polcy"),
        ({"policy": {"replicas": 0}}, "replicas"),
        ({"actre": {"annotator": "gpt"}}, "annotator"),
        ({"worker": {"settings": {"lower": "x"}}}, "lower"),
        ({"trainer": {"resources": {"limits": {"cpu": "lots"}}}}, "cpu"),
        ({"registry": {"url": "not a url"}}, "url"),
        ({"registry": {"persistence": {"accessMode": "ReadWriteOncePod"}}}, "accessMode"),
        ({"worker": {"keda": {"redisAddress": "redis://host:6379"}}}, "redisAddress"),
        ({"policy": {"startupSeconds": "long"}}, "startupSeconds"),
        ({"policy": {"updateStrategy": "Rolling"}}, "updateStrategy"),
        ({"policy": {"probes": {"liveness": {"httpGet": {}}}}}, "httpGet"),
        ({"image": {"digests": {"policy": "1234"}}}, "policy"),
        ({"image": {"digests": {"worker": DIGEST}}}, "worker"),
        ({"env": {"extraEnv": [{"value": "x"}]}}, "name"),
        ({"worker": {"serviceAccount": {"name": "x"}}}, "name"),
        ({"networkPolicies": {"egress": {"allow": {"polcy": []}}}}, "polcy"),
        ({"traces": {"endpoint": "collector:4318"}}, "endpoint"),
        ({"traces": {"sample": 2}}, "sample"),
    ],
)
def test_values_that_break_the_schema_are_refused(values: dict[str, Any], key: str) -> None:
    with Chart.load(CHART) as chart, pytest.raises(HelmError, match=key):
        chart.render(values, name="demo")


def test_the_llm_annotator_needs_an_upstream() -> None:
    with pytest.raises(HelmError, match=r"actre\.upstream\.url is needed"):
        render({"actre": {"annotator": "llm"}})


def test_a_client_keeps_to_one_of_several_orchestrators() -> None:
    for replicas, wanted in ((1, None), (2, "ClientIP")):
        objects = render({"orchestrator": {"replicas": replicas}})
        (service,) = [o for o in objects if (o["kind"], o["metadata"]["name"]) == ("Service", "demo-orchestrator")]
        assert service["spec"].get("sessionAffinity") == wanted


def test_traces_go_where_the_values_say() -> None:
    with pytest.raises(HelmError, match=r"traces\.endpoint is needed"):
        render({"traces": {"enabled": True}})
    for where, container, serves in containers(render(VARIANTS["everything"])):
        if serves and container["image"].startswith("registry.example.com/a3t/"):
            env = {e["name"]: e for e in container["env"]}
            assert env["A3T_TRACES"]["value"] == "true", where
            assert env["A3T_TRACES_SAMPLE"]["value"] == "0.1", where
            assert env["OTEL_EXPORTER_OTLP_ENDPOINT"]["value"] == "http://collector:4318", where
            assert env["OTEL_EXPORTER_OTLP_HEADERS"]["valueFrom"]["secretKeyRef"]["name"] == "otlp", where
    silent = [e["name"] for _, container, _ in containers(render({})) for e in container.get("env", [])]
    assert not [name for name in silent if "TRACES" in name or name.startswith("OTEL")]


def test_the_dashboard_shows_what_an_operator_asks_for() -> None:
    dashboard = json.loads((CHART / "files" / "grafana-dashboard.json").read_text())
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    asked = {name for panel in panels for target in panel["targets"] for name in named_metrics(target["expr"])}
    wanted = {
        "a3t_run_round",
        "a3t_worker_episodes_total",
        "a3t_queue_length",
        "a3t_env_sessions",
        "a3t_gpu_busy_ratio",
    }
    assert asked >= wanted | {"a3t_policy_live_version", "a3t_episodes_given_up"}
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]]
    assert len(set(places)) == len(places)


def named_metrics(query: str) -> set[str]:
    """The metrics that a query of Prometheus names, with the ending that its kind has."""
    return {name.removesuffix("_bucket") for name in re.findall(r"\b(?:a3t|process)_\w+", query)}


def test_every_query_names_a_metric_that_a_service_exports(tmp_path: Path) -> None:
    """Asked of the services themselves; a worker serves the same registry on its own port."""
    exported = set()
    for name, make in APPS.items():
        text = TestClient(make(tmp_path / name)).get("/metrics").text
        exported |= set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    assert worker_metrics.EPISODES
    dashboard = json.loads((CHART / "files" / "grafana-dashboard.json").read_text())
    queries = [t["expr"] for panel in dashboard["panels"] for t in panel.get("targets", ())]
    alerts = yaml.safe_load(re.sub(r"{{.*?}}", "x", (CHART / "files" / "alerts.yaml").read_text()))
    queries += [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    assert len(queries) > 20
    for query in queries:
        names = named_metrics(query)
        assert names or query.startswith("up{"), query
        assert names <= exported, query


def test_vllm_is_what_gpus_serve_with() -> None:
    objects = {(o["kind"], o["metadata"]["name"]): o for o in render(VARIANTS["gpu"])}
    pod = pod_of(objects["Deployment", "demo-vllm"])
    policy = pod_of(objects["Deployment", "demo-policy"])
    assert pod is not None
    assert policy is not None
    assert ("ServiceAccount", pod["serviceAccountName"]) in objects
    (vllm,), (front,) = pod["containers"], policy["containers"]
    assert vllm["args"][0] == VARIANTS["gpu"]["policy"]["baseModel"]
    assert "--enable-lora" in vllm["args"]
    assert vllm["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert "nvidia.com/gpu" not in front["resources"]["limits"]
    mounts = {m["mountPath"]: m for m in vllm["volumeMounts"]}
    assert mounts["/registry"]["readOnly"] is True
    env = {e["name"]: e for e in (*vllm["env"], *front["env"])}
    assert env["VLLM_ALLOW_RUNTIME_LORA_UPDATING"]["value"] == "1"
    assert env["A3T_POLICY_BACKEND"]["value"] == "openai"
    assert env["A3T_POLICY_UPSTREAMS"]["value"] == "http://demo-vllm:8000"
    assert env["VLLM_API_KEY"]["valueFrom"] == env["A3T_POLICY_UPSTREAM_TOKEN"]["valueFrom"]
    callers = objects["NetworkPolicy", "demo-vllm"]["spec"]["ingress"][0]["from"]
    assert [c["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for c in callers] == ["policy", "actre"]


def actre_upstream(values: dict[str, Any], release: str) -> tuple[dict[str, Any], set[str]]:
    """ActRe's variables with their values or references, and the names of what the release renders."""
    objects = render(values, release)
    (pod,) = [
        pod_of(o)
        for o in objects
        if o["kind"] == "Deployment" and o["metadata"]["labels"]["app.kubernetes.io/component"] == "actre"
    ]
    assert pod is not None
    env = {e["name"]: e.get("value") or e["valueFrom"]["secretKeyRef"]["name"] for e in pod["containers"][0]["env"]}
    return env, {f"{o['kind']}/{o['metadata']['name']}" for o in objects}


@pytest.mark.parametrize("release", ["a3t", "night-shift", "team-with-a-very-long-name-that-trains-agents-at-nig"])
def test_actre_asks_the_vllm_of_its_own_release(release: str) -> None:
    env, names = actre_upstream(VARIANTS["gpu"], release)
    host = env["A3T_ACTRE_UPSTREAM_URL"].removeprefix("http://").removesuffix(":8000/v1")
    assert f"Service/{host}" in names
    assert f"Secret/{env['A3T_ACTRE_UPSTREAM_TOKEN']}" in names
    assert env["A3T_ACTRE_MODEL"] == VARIANTS["gpu"]["policy"]["baseModel"]


def test_actre_asks_another_server_where_one_is_named() -> None:
    named = {"annotator": "llm", "upstream": {"url": "http://elsewhere:8000/v1", "model": "m"}}
    env, _ = actre_upstream(VARIANTS["gpu"] | {"actre": named}, "night-shift")
    assert (env["A3T_ACTRE_UPSTREAM_URL"], env["A3T_ACTRE_MODEL"]) == ("http://elsewhere:8000/v1", "m")
    assert "A3T_ACTRE_UPSTREAM_TOKEN" not in env, "the chart's token goes to the chart's own vLLM only"


def test_a_tgi_server_beside_vllm_has_to_be_named() -> None:
    with pytest.raises(HelmError, match=r"actre\.upstream\.url is needed"):
        render(VARIANTS["gpu"] | {"actre": {"annotator": "llm", "upstream": {"backend": "tgi"}}})


def test_vllm_reads_a_folder() -> None:
    with pytest.raises(HelmError, match=r"registry\.url has to be empty"):
        render(VARIANTS["gpu"] | {"registry": {"url": "s3://bucket/registry"}})
