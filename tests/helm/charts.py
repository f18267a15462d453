"""Rendering the chart offline with Helm's own engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart

CHART = Path(__file__).parents[2] / "k8s" / "a3t"

EVERYTHING: dict[str, Any] = {
    "image": {"registry": "registry.example.com/", "pullSecrets": [{"name": "pull"}]},
    "auth": {"existingSecret": "own-secret"},
    "huggingfaceSecret": "huggingface",
    "env": {"replicas": 2, "autoscaling": {"enabled": True}},
    "worker": {"keda": {"enabled": True, "checkCrd": False}, "autoscaling": {"enabled": True}},
    "policy": {
        "gpu": {"count": 1},
        "runtimeClassName": "nvidia",
        "nodeSelector": {"pool": "gpu"},
        "keda": {"enabled": True, "checkCrd": False},
    },
    "trainer": {"gpu": {"count": 1}, "tolerations": [{"key": "gpu", "operator": "Exists"}]},
    "actre": {"annotator": "llm", "upstream": {"url": "http://vllm:8000/v1", "model": "m", "tokenSecret": "t"}},
    "networkPolicies": {
        "allowFromNamespaces": [{"kubernetes.io/metadata.name": "ingress"}],
        "egress": {"enabled": True, "allow": {"policy": [{"ports": [{"port": 443, "protocol": "TCP"}]}]}},
    },
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "policyHost": "policy.example.com",
        "dashboardHost": "a3t.example.com",
        "tlsSecret": "tls",
        "annotations": {"a": "b"},
    },
    "traces": {"enabled": True, "endpoint": "http://collector:4318", "headersSecret": "otlp", "sample": 0.1},
    "metrics": {
        "serviceMonitor": {"enabled": True, "checkCrd": False, "labels": {"release": "prometheus"}},
        "podMonitor": {"enabled": True, "checkCrd": False, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True, "checkCrd": False, "labels": {"release": "prometheus"}},
        "grafanaDashboard": {"enabled": True},
    },
}
EXTERNAL: dict[str, Any] = {
    "auth": {"existingSecret": "own-secret"},
    "postgres": {"enabled": False},
    "redis": {"enabled": False},
    "registry": {"url": "s3://bucket/registry", "s3Secret": "s3"},
}


OURS = ("env", "policy", "actre", "trainer", "worker", "orchestrator")
STORES = ("postgres", "redis")
DIGEST = f"sha256:{'0' * 64}"
TUNED: dict[str, Any] = {
    "image": {"digests": dict.fromkeys(("env", "policy", "actre", "trainer", "orchestrator"), DIGEST)},
    "podAnnotations": {"team": "agents"},
    "priorityClassName": "batch",
    "registry": {"persistence": {"existingClaim": "own-registry"}},
}
for component in (*OURS, *STORES):
    TUNED[component] = {
        "podAnnotations": {"component": component},
        "serviceAccount": {"annotations": {"role": f"role-of-{component}"}},
        "nodeSelector": {"pool": component},
    }
for component in ("env", "policy", "trainer", "orchestrator", *STORES):
    TUNED[component]["persistence"] = {"existingClaim": f"own-{component}"}
for component in OURS:
    TUNED[component] |= {
        "extraEnv": [{"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": {"name": "proxy", "key": "url"}}}],
        "extraEnvFrom": [{"secretRef": {"name": "more"}}],
        "extraVolumes": [{"name": "certificates", "configMap": {"name": "certificates"}}],
        "extraVolumeMounts": [{"name": "certificates", "mountPath": "/certificates", "readOnly": True}],
        "probes": {"liveness": {"periodSeconds": 77}},
    }
TUNED["policy"] |= {"priorityClassName": "serving"}
"""Every knob that all components share, and no claim of the chart's own."""


def values_file(name: str) -> dict[str, Any]:
    """One of the values files that lie beside the chart."""
    loaded: dict[str, Any] = yaml.safe_load((CHART / name).read_text())
    return loaded


VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "cpu": values_file("values-cpu.yaml"),
    "gpu": values_file("values-gpu.yaml"),
    "everything": EVERYTHING,
    "external": EXTERNAL,
    "tuned": TUNED,
}


def render(values: dict[str, Any], name: str = "demo") -> list[dict[str, Any]]:
    """Every object of the chart with these values."""
    with Chart.load(CHART) as chart:
        manifests = chart.render(values, name=name, namespace="a3t")
    texts = [text for path, text in manifests.items() if path.endswith(".yaml")]
    return [o for text in texts for o in yaml.safe_load_all(text) if o]


def pod_of(resource: dict[str, Any]) -> dict[str, Any] | None:
    """The pod spec of a workload, or None."""
    if resource["kind"] == "Pod":
        return dict(resource["spec"])
    template = resource.get("spec", {}).get("template") if resource["kind"] != "CronJob" else None
    return dict(template["spec"]) if template else None
