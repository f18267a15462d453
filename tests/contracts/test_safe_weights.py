"""Pickles are refused by name and by content, before anything is loaded."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.registry import RegistryReader
from a3t_contracts.safe_weights import check_adapter_files, check_base_files
from tests.support.adapter_files import WEIGHTS, publish_files

PICKLE = pickle.dumps({"weight": [1.0]})


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


def test_a_base_of_safetensors_is_taken_with_or_without_pickles_beside_it(base: Path) -> None:
    (base / "model.safetensors").write_bytes(WEIGHTS)
    check_base_files(str(base))
    (base / "pytorch_model.bin").write_bytes(PICKLE)
    check_base_files(str(base))
    check_base_files("org/name-on-the-hub")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pth", "model.CKPT", "model.pkl"])
def test_a_base_of_pickles_is_refused(base: Path, name: str) -> None:
    (base / name).write_bytes(PICKLE)
    with pytest.raises(InvalidInputError, match=rf"pickle \({name}\).*safetensors files only"):
        check_base_files(str(base))


def test_a_pickle_that_is_named_safetensors_is_refused(base: Path) -> None:
    (base / "model.safetensors").write_bytes(PICKLE)
    with pytest.raises(InvalidInputError, match="not a safetensors file, although its name says so"):
        check_base_files(str(base))


@pytest.mark.parametrize("shard", ["pytorch_model-00001.bin", "../other/model.safetensors"])
def test_an_index_leads_to_safetensors_files_in_its_folder_only(base: Path, shard: str) -> None:
    (base / "model.safetensors").write_bytes(WEIGHTS)
    (base / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": shard}}))
    with pytest.raises(InvalidInputError, match="not a safetensors file in its folder"):
        check_base_files(str(base))


def test_an_adapter_is_no_base_and_a_folder_without_weights_neither(base: Path) -> None:
    with pytest.raises(InvalidInputError, match="it has no weights"):
        check_base_files(str(base))
    (base / "adapter_config.json").write_text("{}")
    with pytest.raises(InvalidInputError, match="not a base model"):
        check_base_files(str(base))


def test_a_version_whose_weights_are_a_pickle_is_refused(tmp_path: Path) -> None:
    publish_files(tmp_path, "run-r01", PICKLE, "adapter_model.bin")
    with pytest.raises(InvalidInputError, match=r"adapter_model\.bin, which is a pickle"):
        RegistryReader(tmp_path).fetch("run-r01")
    publish_files(tmp_path, "run-r02", PICKLE)
    with pytest.raises(InvalidInputError, match="not a safetensors file"):
        RegistryReader(tmp_path).fetch("run-r02")


def test_a_pickle_beside_good_weights_is_refused_in_an_adapter(tmp_path: Path) -> None:
    folder = publish_files(tmp_path, "run-r01")
    check_adapter_files(folder)
    (folder / "adapter_model.bin").write_bytes(PICKLE)
    with pytest.raises(InvalidInputError, match="is a pickle"):
        RegistryReader(tmp_path).fetch("run-r01")


def test_a_manifest_lists_the_weights(tmp_path: Path) -> None:
    folder = publish_files(tmp_path, "run-r01")
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["adapter_model.safetensors"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidInputError, match="does not list adapter_model"):
        RegistryReader(tmp_path).fetch("run-r01")
