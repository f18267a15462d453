"""Versions appear as a whole or not at all; the live pointer goes forth and back; old versions go, needed ones stay."""

from __future__ import annotations

import errno
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from a3t_contracts.errors import ConflictError, InvalidInputError, NotFoundError, UpstreamError
from a3t_contracts.files import write_atomically
from a3t_contracts.registry import RegistryReader
from a3t_contracts.schemas.adapter import AdapterManifest
from a3t_trainer.faults import problem_of
from a3t_trainer.registry.garbage import collect_garbage
from a3t_trainer.registry.hub import push
from a3t_trainer.registry.live import demote, live, promote, rollback
from a3t_trainer.registry.publish import Draft, publish
from tests.trainer.jobs_support import request


def draft(version: str = "v0", *, job: str = "ftjob-0", save: Any = None, **changes: Any) -> Draft:
    def write(folder: Path) -> None:
        (folder / "adapter_model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}" + version.encode() * 100)
        (folder / "adapter_config.json").write_text("{}")

    body = request("org/base", version, **changes)
    return Draft(body, job, "f" * 64, 4, ["q_proj"], save or write, {"successes": 3}, {"loss": 1.5})


def put(registry: Path, *versions: str, **changes: Any) -> list[AdapterManifest]:
    return [publish(str(registry), draft(v, job=v, **changes)) for v in versions]


def test_a_published_version_is_whole(tmp_path: Path) -> None:
    manifest = publish(str(tmp_path / "r"), draft())
    folder, read = RegistryReader(tmp_path / "r").fetch("v0")
    assert read == manifest
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "manifest.json",
    ]
    assert set(manifest.files) == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    assert [p.name for p in (tmp_path / "r").iterdir()] == ["v0"]
    assert "base_model: org/base" in (folder / "README.md").read_text()


def test_a_failed_publication_leaves_nothing(tmp_path: Path) -> None:
    def full(folder: Path) -> None:
        (folder / "adapter_config.json").write_text("{}")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))

    with pytest.raises(OSError, match="No space left on device") as caught:
        publish(str(tmp_path), draft(save=full))
    assert list(tmp_path.iterdir()) == []
    problem = problem_of(caught.value)
    assert problem.detail.startswith("The disk is full: No space left on device")
    with pytest.raises(InvalidInputError, match=r"did not write adapter_model\.safetensors"):
        publish(str(tmp_path), draft(save=lambda folder: None))
    assert list(tmp_path.iterdir()) == []


def test_a_really_full_device_ends_the_write(tmp_path: Path) -> None:
    """/dev/full answers every write as a full disk does."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")

    def full(folder: Path) -> None:
        (folder / "adapter_model.safetensors").symlink_to("/dev/full")
        (folder / "adapter_model.safetensors").write_bytes(b"x" * 100_000)

    with pytest.raises(OSError, match="No space left") as caught:
        publish(str(tmp_path), draft(save=full))
    assert "The disk is full" in problem_of(caught.value).detail
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_of_a_version_is_removed_when_it_is_published(tmp_path: Path) -> None:
    left, of_another = tmp_path / ".partial-v0-abcd_123", tmp_path / ".partial-v0-x-abcd_123"
    left.mkdir()
    (left / "adapter_config.json").write_text("{}")
    of_another.mkdir()
    publish(str(tmp_path), draft())
    assert not left.exists()
    assert of_another.exists(), "it may be being written"


def test_a_version_is_never_written_twice(tmp_path: Path) -> None:
    first = publish(str(tmp_path), draft())
    with pytest.raises(ConflictError, match="'v0' was published already, by job ftjob-0"):
        publish(str(tmp_path), draft(job="ftjob-1"))
    assert RegistryReader(tmp_path).manifest("v0") == first


def test_a_folder_without_a_manifest_is_no_version_and_gives_way(tmp_path: Path) -> None:
    (tmp_path / "v0").mkdir()
    (tmp_path / "v0" / "half").write_text("x")
    assert RegistryReader(tmp_path).versions() == []
    publish(str(tmp_path), draft())
    assert not (tmp_path / "v0" / "half").exists()
    assert RegistryReader(tmp_path).versions() == ["v0"]


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    put(tmp_path, "v0")
    path = tmp_path / "v0" / "adapter_model.safetensors"
    path.write_bytes(b"w" + path.read_bytes()[1:])
    with pytest.raises(InvalidInputError, match=r"corrupt: adapter_model\.safetensors"):
        promote(RegistryReader(tmp_path), "v0")
    assert live(str(tmp_path)).version is None


def test_a_version_of_pickles_is_neither_verified_nor_promoted(tmp_path: Path) -> None:
    put(tmp_path, "v0")
    folder = tmp_path / "v0"
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["adapter_model.bin"] = manifest["files"].pop("adapter_model.safetensors")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for act in (RegistryReader(tmp_path).fetch, lambda version: promote(RegistryReader(tmp_path), version)):
        with pytest.raises(InvalidInputError, match=r"adapter_model\.bin, which is a pickle"):
            act("v0")
    assert live(str(tmp_path)).version is None


def test_publishing_to_a_remote_registry_puts_the_manifest_last(tmp_path: Path) -> None:
    import fsspec

    url = f"memory://{tmp_path.name}"
    publish(url, draft())
    reader = RegistryReader(url, tmp_path / "cache")
    assert reader.versions() == ["v0"]
    assert reader.fetch("v0")[0] == tmp_path / "cache" / "v0"
    files = fsspec.filesystem("memory").ls(f"/{tmp_path.name}/v0", detail=True)
    newest = max(files, key=lambda f: f["created"])
    assert newest["name"].endswith("manifest.json")
    assert promote(reader, "v0").version == "v0"
    with pytest.raises(ConflictError):
        publish(url, draft(job="ftjob-1"))
    with pytest.raises(InvalidInputError, match="only in a local registry"):
        collect_garbage(url, 1)


def test_promote_and_rollback(tmp_path: Path) -> None:
    registry, reader = str(tmp_path), RegistryReader(tmp_path)
    put(tmp_path, "v0", "v1", "v2")
    with pytest.raises(NotFoundError):
        promote(reader, "v9")
    for version in ("v0", "v1", "v1", "v2"):
        promote(reader, version)
    assert live(registry).history == ["v0", "v1"]
    (tmp_path / "v1" / "manifest.json").unlink()
    assert rollback(reader).version == "v0"
    with pytest.raises(ConflictError, match="no earlier live version"):
        rollback(reader)
    assert live(registry).version == "v0"


def test_a_rollback_from_a_version_may_be_repeated(tmp_path: Path) -> None:
    reader = RegistryReader(tmp_path)
    put(tmp_path, "v0", "v1", "v2")
    for version in ("v0", "v1", "v2"):
        promote(reader, version)
    for _ in range(2):
        assert (rollback(reader, "v2").version, live(str(tmp_path)).history) == ("v1", ["v0"])


def test_the_base_goes_live_and_a_rollback_takes_that_back(tmp_path: Path) -> None:
    registry, reader = str(tmp_path / "r"), RegistryReader(tmp_path / "r")
    assert demote(registry).version is None
    put(tmp_path / "r", "v0")
    promote(reader, "v0")
    for _ in range(2):
        assert (demote(registry).version, live(registry).history) == (None, ["v0"])
    assert rollback(reader).version == "v0"


def test_promotions_at_the_same_time_lose_none(tmp_path: Path) -> None:
    versions = [f"v{n}" for n in range(8)]
    put(tmp_path, *versions)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda version: promote(RegistryReader(tmp_path), version), versions))
    pointer = live(str(tmp_path))
    assert sorted([*pointer.history, str(pointer.version)]) == versions


def test_a_broken_pointer_gives_way_to_a_promotion(tmp_path: Path) -> None:
    put(tmp_path, "v0")
    (tmp_path / "live.json").write_text("{")
    with pytest.raises(InvalidInputError, match=r"live\.json is broken"):
        live(str(tmp_path))
    assert promote(RegistryReader(tmp_path), "v0").version == "v0"


def test_garbage_spares_the_live_version_and_the_one_before_it(tmp_path: Path) -> None:
    """Every round promotes its version, so that a longer history must not keep everything for ever."""
    versions = [f"v{n}" for n in range(6)]
    put(tmp_path, *versions)
    for version in (*versions, "v1"):
        promote(RegistryReader(tmp_path), version)
    collect_garbage(str(tmp_path), 1)
    assert RegistryReader(tmp_path).versions() == ["v1", "v5"]
    assert rollback(RegistryReader(tmp_path)).version == "v5"
    promote(RegistryReader(tmp_path), "v1")
    collect_garbage(str(tmp_path), 1)
    assert RegistryReader(tmp_path).versions() == ["v1", "v5"]


def test_garbage_leaves_what_is_needed(tmp_path: Path) -> None:
    registry = str(tmp_path)
    put(tmp_path, "a0", "a1", "a2", run="a")
    put(tmp_path, "b0", "b1", run="b")
    put(tmp_path, "b2", run="b", parent="b1")
    promote(RegistryReader(tmp_path), "a0")
    old = tmp_path / ".partial-x-1"
    old.mkdir()
    (tmp_path / ".partial-fresh").mkdir()
    os.utime(old, (time.time() - 7200,) * 2)
    dry = collect_garbage(registry, 1, dry_run=True)
    assert RegistryReader(registry).versions() == ["a0", "a1", "a2", "b0", "b1", "b2"]
    report = collect_garbage(registry, 1)
    assert report.removed == dry.removed
    assert sorted(report.removed) == [".partial-x-1", "a1", "b0"]
    assert report.kept == ["a0", "a2", "b1", "b2"] == sorted(RegistryReader(registry).versions())
    assert report.freed_bytes > 0
    assert (tmp_path / ".partial-fresh").exists()


def test_an_atomic_write_that_fails_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    write_atomically(path, "old")

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_a_hub_out_of_reach_is_an_upstream_error(tmp_path: Path) -> None:
    from huggingface_hub import HfApi

    put(tmp_path, "v0")
    with pytest.raises(UpstreamError, match="did not accept org/v0"):
        push(RegistryReader(tmp_path), "v0", "org/v0", api=HfApi(endpoint="http://127.0.0.1:9", token="t"))
