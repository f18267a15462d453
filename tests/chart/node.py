"""One node of a cluster, as far as this chart needs one: the rendered pods as containers of a Docker engine.

Done as a kubelet does it: Secrets and ConfigMaps, `$(VARIABLE)`, init containers before the others, fsGroup, emptyDirs
with their size, uid, read-only root, capabilities, limits, probes from outside, and the image's HEALTHCHECK ignored.
The network has no way out. Not done: scheduling, network policies, and storage classes.
"""

from __future__ import annotations

import base64
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from tenacity import RetryError, Retrying, retry_if_result, stop_after_attempt, wait_fixed

from tests.compose.project import inspect, run
from tests.helm.charts import pod_of, values_file
from tests.helm.charts import render as render_chart

Mapping = dict[str, Any]

LABEL = "a3t-chart-test"
NETWORK = "a3t-chart-test"
HELPER = "a3t/orchestrator:0.1.0"
RESTARTS = 5


class Node:
    """The chart with `values-cpu.yaml`, running.

    Args:
        folder: where files of ConfigMaps are laid.
        extra: values over those of the file.
    """

    def __init__(self, folder: Path, extra: Mapping | None = None) -> None:
        self.folder = folder
        self.objects = render_chart(merged(values_file("values-cpu.yaml"), extra or {}))
        self.containers: dict[str, str] = {}

    def start(self) -> None:
        """Bring up every workload at once, as a cluster does; returns when all are ready."""
        self.stop()
        run(["docker", "network", "create", "--internal", "--label", LABEL, NETWORK])
        workloads = [o for o in self.objects if o["kind"] in ("Deployment", "StatefulSet")]
        for claim in self._claims(workloads):
            self._make_volume(claim)
        with ThreadPoolExecutor(len(workloads)) as pool:
            list(pool.map(self._start_workload, workloads))

    def stop(self) -> None:
        """Remove containers, volumes and the network."""
        for what, remove in (("ps -a", "rm -f -v"), ("volume ls", "volume rm"), ("network ls", "network rm")):
            found = run(["docker", *what.split(), "-q", "--filter", f"label={LABEL}"]).split()
            if found:
                run(["docker", *remove.split(), *found])

    def logs(self) -> str:
        """What every container wrote."""
        texts = []
        for name in run(["docker", "ps", "-a", "--filter", f"label={LABEL}", "--format", "{{.Names}}"]).split():
            done = subprocess.run(["docker", "logs", name], capture_output=True, text=True)
            texts.append(f"==> {name}\n{done.stdout[-20_000:]}{done.stderr[-20_000:]}")
        return "\n".join(texts)

    def run_hook(self, kind: str) -> str:
        """Run the pod of a hook (`test`) to its end; what it wrote on stdout."""
        pod = next(
            o for o in self.objects if kind in o["metadata"].get("annotations", {}).get("helm.sh/hook", "").split(",")
        )
        spec = pod_of(pod)
        assert spec is not None
        return run(self._command(pod["metadata"]["name"], spec, spec["containers"][0], ["--rm"]), timeout=900)

    def probes(self, probe: str) -> dict[str, bool]:
        """Container → does it pass this probe now."""
        return {name: self._passes(name, c[probe]) for name, c in self._main_containers()}

    def _main_containers(self) -> list[tuple[str, Mapping]]:
        found = []
        for workload in self.objects:
            if workload["kind"] in ("Deployment", "StatefulSet"):
                spec = pod_of(workload) or {}
                found += [(workload["metadata"]["name"], c) for c in spec["containers"]]
        return found

    def _claims(self, workloads: list[Mapping]) -> list[str]:
        own = [o["metadata"]["name"] for o in self.objects if o["kind"] == "PersistentVolumeClaim"]
        templates = [
            f"{t['metadata']['name']}-{w['metadata']['name']}-0"
            for w in workloads
            for t in w["spec"].get("volumeClaimTemplates", [])
        ]
        return own + templates

    def _make_volume(self, claim: str) -> None:
        """A volume as a storage class hands it out: root's, and nobody else may write."""
        run(["docker", "volume", "create", "--label", LABEL, volume_of(claim)])
        self._as_root(claim, "chmod 755 /v")

    def _as_root(self, claim: str, command: str) -> None:
        mount = f"type=volume,src={volume_of(claim)},dst=/v,volume-nocopy"
        run(
            [
                "docker",
                "run",
                "--rm",
                "--user",
                "0",
                "--network",
                "none",
                "--mount",
                mount,
                "--entrypoint",
                "sh",
                HELPER,
                "-c",
                command,
            ]
        )

    def _start_workload(self, workload: Mapping) -> None:
        name, spec = workload["metadata"]["name"], pod_of(workload)
        assert spec is not None
        self._give_to_group(workload, spec)
        for container in spec.get("initContainers", []):
            command = self._command(f"{name}-{container['name']}", spec, container, ["--rm"], workload)
            again = Retrying(stop=stop_after_attempt(RESTARTS), wait=wait_fixed(5), reraise=True)
            again(run, command, timeout=900)
        (container,) = spec["containers"]
        aliases = [option for service in self._services(workload) for option in ("--network-alias", service)]
        restarts = ["--restart", f"on-failure:{RESTARTS}"]
        self.containers[name] = run(self._command(name, spec, container, ["-d", *restarts, *aliases], workload)).strip()
        self._wait_until(name, container["startupProbe"])
        self._wait_until(name, container["readinessProbe"] | {"failureThreshold": 60})

    def _give_to_group(self, workload: Mapping, spec: Mapping) -> None:
        group = spec["securityContext"]["fsGroup"]
        for volume in spec.get("volumes", []) + self._templates(workload):
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                self._as_root(claim, f"chgrp -R {group} /v && chmod g+rwxs /v")

    def _templates(self, workload: Mapping) -> list[Mapping]:
        return [
            {
                "name": t["metadata"]["name"],
                "persistentVolumeClaim": {"claimName": f"{t['metadata']['name']}-{workload['metadata']['name']}-0"},
            }
            for t in workload["spec"].get("volumeClaimTemplates", [])
        ]

    def _services(self, workload: Mapping) -> list[str]:
        labels = workload["spec"]["template"]["metadata"]["labels"].items()
        services = [o for o in self.objects if o["kind"] == "Service"]
        return [s["metadata"]["name"] for s in services if s["spec"]["selector"].items() <= labels]

    def _command(
        self, name: str, spec: Mapping, container: Mapping, options: list[str], workload: Mapping | None = None
    ) -> list[str]:
        """`docker run` of a container of a pod."""
        security = spec["securityContext"] | container["securityContext"]
        limits = container["resources"]["limits"]
        environment = self._environment(container)
        command = ["docker", "run", *options, "--name", f"{NETWORK}-{name}", "--label", LABEL, "--network", NETWORK]
        command += ["--pull", "never", "--no-healthcheck", "--hostname", name]
        command += ["--user", f"{security['runAsUser']}:{security['runAsGroup']}"]
        command += ["--group-add", str(security["fsGroup"])]
        command += ["--memory", str(quantity(limits["memory"])), "--memory-swap", str(quantity(limits["memory"]))]
        command += ["--cpus", str(quantity(limits["cpu"]))]
        command += ["--read-only"] if security["readOnlyRootFilesystem"] else []
        command += ["--security-opt", "no-new-privileges"] if not security["allowPrivilegeEscalation"] else []
        command += [option for cap in security["capabilities"]["drop"] for option in ("--cap-drop", cap)]
        command += [option for pair in environment.items() for option in ("--env", "=".join(pair))]
        volumes = {v["name"]: v for v in spec.get("volumes", []) + (self._templates(workload) if workload else [])}
        for mount in container.get("volumeMounts", []):
            command += self._mount(mount, volumes[mount["name"]], security["fsGroup"])
        words = [expanded(word, environment) for word in container.get("command", [])]
        arguments = [expanded(word, environment) for word in container.get("args", [])]
        command += ["--entrypoint", words[0]] if words else []
        return [*command, container["image"], *words[1:], *arguments]

    def _environment(self, container: Mapping) -> dict[str, str]:
        values: dict[str, str] = {}
        for variable in container.get("env", []):
            if "valueFrom" in variable:
                reference = variable["valueFrom"]["secretKeyRef"]
                values[variable["name"]] = self._secret(reference["name"], reference["key"])
            else:
                values[variable["name"]] = expanded(str(variable["value"]), values)
        return values

    def _secret(self, name: str, key: str) -> str:
        secret = next(o for o in self.objects if o["kind"] == "Secret" and o["metadata"]["name"] == name)
        return base64.b64decode(secret["data"][key]).decode()

    def _mount(self, mount: Mapping, volume: Mapping, group: int) -> list[str]:
        target, read_only = mount["mountPath"], ",readonly" if mount.get("readOnly") else ""
        if "persistentVolumeClaim" in volume:
            source = volume_of(volume["persistentVolumeClaim"]["claimName"])
            return ["--mount", f"type=volume,src={source},dst={target},volume-nocopy{read_only}"]
        if "configMap" in volume:
            name = volume["configMap"]["name"]
            found = next(o for o in self.objects if o["kind"] == "ConfigMap" and o["metadata"]["name"] == name)
            path = self.folder / name / mount["subPath"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(found["data"][mount["subPath"]])
            return ["--mount", f"type=bind,src={path},dst={target}{read_only}"]
        size = quantity(volume["emptyDir"]["sizeLimit"])
        return ["--tmpfs", f"{target}:uid=0,gid={group},mode=2777,exec,size={size:.0f}"]

    def _wait_until(self, name: str, probe: Mapping) -> None:
        def passes() -> bool:
            state = inspect(self.containers[name])
            assert state["RestartCount"] == 0, f"{name} died while it started: {state['State']}; see chart.log"
            return self._passes(name, probe)

        attempts = Retrying(
            retry=retry_if_result(lambda passed: not passed),
            stop=stop_after_attempt(probe["failureThreshold"]),
            wait=wait_fixed(probe["periodSeconds"]),
        )
        try:
            attempts(passes)
        except RetryError as error:
            raise AssertionError(f"{name} does not pass {probe}; see chart.log") from error

    def _passes(self, name: str, probe: Mapping) -> bool:
        container, timeout = self.containers[name], probe.get("timeoutSeconds", 1)
        if "exec" in probe:
            command = ["docker", "exec", container, *probe["exec"]["command"]]
            try:
                return subprocess.run(command, capture_output=True, timeout=timeout).returncode == 0
            except subprocess.TimeoutExpired:
                return False
        address = inspect(container)["NetworkSettings"]["Networks"][NETWORK]["IPAddress"]
        port = self._port(name, probe["httpGet"]["port"])
        try:
            return httpx.get(f"http://{address}:{port}{probe['httpGet']['path']}", timeout=timeout).status_code < 400
        except httpx.HTTPError:
            return False

    def _port(self, name: str, wanted: str) -> int:
        (container,) = [c for found, c in self._main_containers() if found == name]
        return int(next(p["containerPort"] for p in container["ports"] if p["name"] == wanted))


def volume_of(claim: str) -> str:
    """The Docker volume that stands for a claim."""
    return f"{LABEL}-{claim}"


def merged(values: Mapping, over: Mapping) -> Mapping:
    """`over` laid over `values`, deeply, as Helm does with a second values file."""
    found = dict(values)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = merged(found[key], value) if both else value
    return found


def expanded(text: str, values: dict[str, str]) -> str:
    """`$(NAME)` replaced where NAME is known, as in a pod's command and environment."""
    return re.sub(r"\$\((\w+)\)", lambda match: values.get(match[1], match[0]), text)


def quantity(text: str | float) -> float:
    """A Kubernetes quantity as a number: 500m → 0.5, 64Mi → 67108864."""
    units = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
    match = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", str(text))
    assert match, text
    value = float(match[1]) * (units[match[2]] if match[2] else 1)
    return int(value) if value.is_integer() else value
