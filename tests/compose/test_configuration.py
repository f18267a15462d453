"""What `docker compose config` says; needs the client only."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.compose.project import ROOT
from tests.support.settings_names import unknown_variables

SECRETS = {"A3T_TOKEN": "a" * 32, "POSTGRES_PASSWORD": "b" * 32, "REDIS_PASSWORD": "c" * 32}
GPU = ["-f", "compose.yaml", "-f", "compose.gpu.yaml", "--profile", "tgi"]


def config(files: list[str], variables: dict[str, str], empty: Path) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("A3T_", "POSTGRES_", "REDIS_"))}
    command = ["docker", "compose", "--env-file", str(empty), *files, "config"]
    return subprocess.run(command, cwd=ROOT, env=clean | variables, capture_output=True, text=True)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    path = tmp_path / "empty.env"
    path.touch()
    return path


@pytest.mark.parametrize("files", [["--profile", "cli"], GPU], ids=["cpu", "gpu"])
def test_both_variants_are_valid(files: list[str], empty: Path) -> None:
    done = config(files, SECRETS, empty)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("missing", list(SECRETS))
def test_a_missing_secret_stops_with_its_name(missing: str, empty: Path) -> None:
    done = config([], {k: v for k, v in SECRETS.items() if k != missing}, empty)
    assert done.returncode != 0
    assert missing in done.stderr


def test_every_service_is_hardened(empty: Path) -> None:
    profiles = ["--profile", "cli", "--profile", "traces"]
    services = yaml.safe_load(config(profiles, SECRETS, empty).stdout)["services"]
    assert len(services) >= 11
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory"} <= set(limits), name


def test_the_stores_are_reached_from_inside_only(empty: Path) -> None:
    found = yaml.safe_load(config([], SECRETS, empty).stdout)
    assert found["networks"]["store"]["internal"] is True
    for name in ("redis", "postgres"):
        assert list(found["services"][name]["networks"]) == ["store"]
        assert "ports" not in found["services"][name]


def test_published_ports_are_local(empty: Path) -> None:
    services = yaml.safe_load(config([], SECRETS, empty).stdout)["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port["host_ip"] == "127.0.0.1" for port in ports)


@pytest.mark.parametrize("files", [["--profile", "cli"], GPU], ids=["cpu", "gpu"])
def test_every_variable_is_one_that_the_service_reads(files: list[str], empty: Path) -> None:
    services = yaml.safe_load(config(files, SECRETS, empty).stdout)["services"]
    for name, service in services.items():
        assert unknown_variables(name, service.get("environment", {})) == set(), name


def test_images_that_another_service_builds_are_never_pulled(empty: Path) -> None:
    services = yaml.safe_load(config(["--profile", "cli"], SECRETS, empty).stdout)["services"]
    built = {service["image"] for service in services.values() if "build" in service}
    for name, service in services.items():
        if service["image"] in built and "build" not in service:
            assert service["pull_policy"] == "never", name


def test_the_example_names_every_secret() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert {line.split("=")[0] for line in lines if line.endswith("=") and not line.startswith("#")} == set(SECRETS)


def test_the_dockerfiles_begin_alike() -> None:
    """What the images share is written out in each, so that each builds on its own; it must stay the same."""
    files = [*ROOT.glob("services/*/Dockerfile"), ROOT / "orchestrator" / "Dockerfile"]
    heads = {path.read_text().partition("\n")[2].partition("    uv sync")[0] for path in files}
    assert len(files) == 5
    assert len(heads) == 1
