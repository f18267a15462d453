from __future__ import annotations

from pathlib import Path

import pytest

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.registry import RegistryReader, base_fingerprint
from tests.support.adapter_files import WEIGHTS, publish_files


def test_versions_come_in_the_order_of_publishing(tmp_path: Path) -> None:
    for name in ("run-r01", "run-r00"):
        publish_files(tmp_path, name)
    (tmp_path / "half-written").mkdir()
    assert RegistryReader(tmp_path).versions() == ["run-r01", "run-r00"]


def test_an_empty_registry_has_no_versions(tmp_path: Path) -> None:
    assert RegistryReader(tmp_path / "missing").versions() == []


def test_fetch_verifies_every_file(tmp_path: Path) -> None:
    folder = publish_files(tmp_path, "run-r01")
    found, manifest = RegistryReader(tmp_path).fetch("run-r01")
    assert (found, manifest.rank) == (folder, 4)
    (folder / "adapter_model.safetensors").write_bytes(WEIGHTS[:-2] + b"[]")
    with pytest.raises(InvalidInputError, match="corrupt: adapter_model"):
        RegistryReader(tmp_path).fetch("run-r01")
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(InvalidInputError, match="lacks its file"):
        RegistryReader(tmp_path).fetch("run-r01")


def test_a_remote_registry_is_copied_into_the_cache(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    remote = fsspec.filesystem("memory")
    folder = publish_files(tmp_path / "local", "run-r01")
    remote.put(str(folder), "/registry/run-r01", recursive=True)
    reader = RegistryReader("memory://registry", cache=tmp_path / "cache")
    assert reader.versions() == ["run-r01"]
    found, _ = reader.fetch("run-r01")
    assert found == tmp_path / "cache" / "run-r01"
    assert (found / "adapter_model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize("name", ["../etc", "a/b", "", ".hidden", "x" * 200, "a\x00b"])
def test_names_that_could_leave_the_registry_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError, match="not a valid name of an adapter version"):
        RegistryReader(tmp_path).fetch(name)


def test_a_manifest_that_names_a_path_is_refused(tmp_path: Path) -> None:
    publish_files(tmp_path, "run-r01", file="../secret")
    with pytest.raises(InvalidInputError, match="names a file with a folder"):
        RegistryReader(tmp_path).fetch("run-r01")


def test_unknown_and_broken_versions(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text('{"version": 3')
    with pytest.raises(NotFoundError, match="no adapter version 'nope'"):
        RegistryReader(tmp_path).manifest("nope")
    with pytest.raises(InvalidInputError, match="manifest of adapter 'broken'"):
        RegistryReader(tmp_path).manifest("broken")


def test_the_fingerprint_tells_bases_apart(tiny_model: Path, tmp_path: Path) -> None:
    from tests.support.tiny_model import make_tiny_model

    again, other = make_tiny_model(tmp_path / "a"), make_tiny_model(tmp_path / "b", seed=1)
    assert base_fingerprint(tiny_model) == base_fingerprint(again) != base_fingerprint(other)
    assert base_fingerprint("org/name") != base_fingerprint("org/other")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInputError, match=r"no config\.json"):
        base_fingerprint(tmp_path / "empty")
