"""The compose files without a Docker client: services, images, and variables that the settings classes take."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from a3t_actre.settings import ActReSettings
from a3t_contracts.schemas import LoraSettings
from a3t_contracts.settings import ServiceSettings
from a3t_orchestrator.recipe import load_recipe
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_policy.settings import PolicySettings
from a3t_trainer.settings import TrainerSettings
from tests.support.settings_names import unknown_variables

ROOT = Path(__file__).parents[2]
SECRETS = {"A3T_TOKEN": "a" * 32, "POSTGRES_PASSWORD": "b" * 32, "REDIS_PASSWORD": "c" * 32}
SETTINGS: dict[str, type[ServiceSettings]] = {
    "policy": PolicySettings,
    "actre": ActReSettings,
    "trainer": TrainerSettings,
    "orchestrator": OrchestratorSettings,
    "worker": OrchestratorSettings,
}
_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)(?::([-?])((?:[^{}]|\{[^}]*\})*))?\})")
LISTS = ("volumes",)
"""Keys whose lists compose joins; a mapping is merged, anything else replaced."""
Service = dict[str, Any]


def filled(value: Any, variables: dict[str, str]) -> Any:
    """A value with its `${NAME:-default}` and `${NAME:?message}`, as compose fills them."""
    if isinstance(value, dict):
        return {key: filled(entry, variables) for key, entry in value.items()}
    if isinstance(value, list):
        return [filled(entry, variables) for entry in value]
    if not isinstance(value, str):
        return value

    def one(match: re.Match[str]) -> str:
        dollar, name, kind, rest = match.groups()
        if dollar:
            return "$"
        given = variables.get(name, "")
        assert given or kind != "?", f"{name}: {rest}"
        return given or (rest or "" if kind == "-" else "")

    return _REFERENCE.sub(one, value)


def merged(base: Service, over: Service) -> Service:
    result = dict(base)
    for key, value in over.items():
        known = result.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            result[key] = merged(known, value)
        elif key in LISTS:
            result[key] = [*(known or []), *value]
        else:
            result[key] = value
    return result


def services(*files: str, **variables: str) -> dict[str, Service]:
    """The services of the files, each over those before it."""
    found: Service = {}
    for file in files:
        found = merged(found, yaml.safe_load((ROOT / file).read_text())["services"])
    return dict(filled(found, SECRETS | variables))


def settings_of(name: str, service: Service, monkeypatch: pytest.MonkeyPatch) -> ServiceSettings:
    """What the service's settings class makes of its variables."""
    with monkeypatch.context() as patch:
        for known in [n for n in os.environ if n.startswith("A3T_")]:
            patch.delenv(known)
        for variable, value in service["environment"].items():
            patch.setenv(variable, str(value))
        return SETTINGS[name]()


GPU = ("compose.yaml", "compose.gpu.yaml")


@pytest.mark.parametrize("files", [("compose.yaml",), GPU], ids=["cpu", "gpu"])
def test_every_variable_is_one_that_the_service_reads(files: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    found = services(*files)
    for name, service in found.items():
        assert unknown_variables(name, service.get("environment", {})) == set(), name
    assert SETTINGS.keys() <= found.keys()
    for name in SETTINGS:
        assert settings_of(name, found[name], monkeypatch).mode == "production"


@pytest.mark.parametrize("files", [("compose.yaml",), GPU], ids=["cpu", "gpu"])
def test_every_service_has_an_image_of_a_version(files: tuple[str, ...]) -> None:
    for name, service in services(*files).items():
        repository, _, version = service["image"].rpartition(":")
        assert repository, name
        assert version not in ("", "latest"), name


def test_what_services_are_told_to_call_is_a_service_on_their_network() -> None:
    found = services(*GPU)
    calls = 0
    for name, service in found.items():
        if name == "migrate":
            continue  # it has the addresses of the others, but talks to the database alone
        for variable, value in service.get("environment", {}).items():
            for url in str(value).split(","):
                host = urlsplit(url).hostname if "://" in url else None
                if host is None or host in ("localhost", "127.0.0.1"):
                    continue
                calls += 1
                assert host in found, (name, variable)
                assert set(service["networks"]) & set(found[host]["networks"]), (name, variable)
    assert calls >= 10


def test_policy_and_actre_ask_the_vllm_of_the_same_file(monkeypatch: pytest.MonkeyPatch) -> None:
    found = services(*GPU)
    policy, actre = (settings_of(n, found[n], monkeypatch) for n in ("policy", "actre"))
    vllm = found["vllm"]
    assert isinstance(policy, PolicySettings)
    assert isinstance(actre, ActReSettings)
    assert (policy.policy_backend, policy.upstream_urls) == ("openai", ["http://vllm:8000"])
    assert (actre.actre_annotator, actre.actre_upstream_url) == ("llm", "http://vllm:8000/v1")
    assert vllm["command"][0] == policy.policy_base_model == policy.policy_upstream_model == actre.actre_model
    key = vllm["environment"]["VLLM_API_KEY"]
    assert actre.actre_upstream_token is not None
    assert key == policy.policy_upstream_token.get_secret_value() == actre.actre_upstream_token.get_secret_value()
    assert policy.policy_upstream_registry is None, "vLLM sees adapters under the path that the policy sends"
    assert "registry:/registry:ro" in vllm["volumes"]
    assert found["policy"]["environment"]["A3T_REGISTRY"] == "/registry"


def test_vllm_takes_adapters_of_the_ranks_that_recipes_train(monkeypatch: pytest.MonkeyPatch) -> None:
    vllm = services(*GPU)["vllm"]
    options = dict(part.split("=", 1) for part in vllm["command"] if "=" in part)
    assert "--enable-lora" in vllm["command"]
    assert vllm["environment"]["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "1"
    ranks = [LoraSettings().rank]
    for path in (ROOT / "configs").glob("*mistral*.yaml"):
        recipe = load_recipe(path)
        ranks += [recipe.training.lora.rank, recipe.training.round0.lora.rank]
        assert recipe.training.optimisation.max_length <= int(options["--max-model-len"])
        assert recipe.base_model == vllm["command"][0]
    assert len(ranks) > 2
    assert max(ranks) <= int(options["--max-lora-rank"])


def test_the_local_engine_serves_one_small_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """What docs/deploy.md has for one GPU of 24 GB."""
    lines = (ROOT / "docs" / "deploy.md").read_text().splitlines()
    (row,) = [line for line in lines if line.startswith("| one of 24 GB |")]
    told = dict(pair.split("=", 1) for pair in re.findall(r"`(A3T_[^`]*=[^`]*)`", row))
    assert told, "the row names the variables"
    found = services(*GPU, **told)
    policy = settings_of("policy", found["policy"], monkeypatch)
    assert isinstance(policy, PolicySettings)
    assert (policy.policy_backend, policy.policy_quantisation) == ("local", "nf4")
    assert int(found["vllm"]["scale"]) == 0
    actre = settings_of("actre", found["actre"], monkeypatch)
    assert isinstance(actre, ActReSettings)
    assert urlsplit(actre.actre_upstream_url or "").hostname == "policy"


def test_gpus_are_reserved_where_models_are_computed() -> None:
    reserved = {
        name
        for name, service in services(*GPU).items()
        if service["deploy"]["resources"].get("reservations", {}).get("devices")
    }
    assert reserved == {"policy", "trainer", "vllm", "tgi"}
