"""Adapter versions: what is refused and why, what stays, what comes back after a restart."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from a3t_contracts.errors import A3TError, ConflictError, InvalidInputError, NotFoundError
from a3t_contracts.schemas.policy import Sampling
from a3t_policy.backends.local import LocalBackend
from a3t_policy.generation import Generation

from .conftest import FORCED, policy_settings
from .policy_support import rehash


@pytest.fixture
def shelf(registry: Path, tmp_path: Path) -> Path:
    """A registry of the test's own with a few versions."""
    for version in ("run-r00", "run-r01", *list(FORCED)[:3]):
        shutil.copytree(registry / version, tmp_path / "registry" / version)
    return tmp_path / "registry"


@asynccontextmanager
async def running(base: Path, home: Path, **changes: Any) -> AsyncIterator[LocalBackend]:
    backend = LocalBackend(policy_settings(base, home, policy_max_context=256, policy_slots=8, **changes))
    await backend.start()
    try:
        yield backend
    finally:
        await backend.close()


async def says(backend: LocalBackend, model: str | None = None) -> tuple[str, list[int]]:
    ask = Generation(backend.codec.prompt("Observation: x"), "", Sampling(max_tokens=3), model=model, ignore_eos=True)
    done = await backend.generate(ask)
    return done.model, done.ids or []


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    rehash(folder)


def edit_tensors(folder: Path, change: Any) -> None:
    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    rehash(folder)


def _flip_a_byte(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))


def _other_base(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"base_fingerprint": "0" * 64}))


def _narrow(tensors: dict[str, Any]) -> None:
    key = next(k for k in tensors if "lora_A" in k)
    tensors[key] = np.ascontiguousarray(tensors[key][:, :-1])


def _stranger(tensors: dict[str, Any]) -> None:
    tensors["base_model.model.model.layers.9.self_attn.q_proj.lora_A.weight"] = next(iter(tensors.values()))


def _not_finite(tensors: dict[str, Any]) -> None:
    key = next(k for k in tensors if "lora_B" in k)
    tensors[key] = np.full_like(tensors[key], np.nan)


def _one_less(tensors: dict[str, Any]) -> None:
    del tensors[next(k for k in tensors if "lora_B" in k)]


BROKEN = {
    "bytes": (_flip_a_byte, "SHA-256"),
    "truncated": (lambda f: (f / "adapter_model.safetensors").write_bytes(b"x"), "does not match|corrupt"),
    "garbage": (lambda f: ((f / "adapter_model.safetensors").write_bytes(b"x" * 99), rehash(f)), "safetensors"),
    "missing": (lambda f: (f / "adapter_model.safetensors").unlink(), "lacks"),
    "base": (_other_base, "was trained on the base"),
    "rank": (lambda f: edit_config(f, r=8), "rank"),
    "type": (lambda f: edit_config(f, peft_type="IA3"), "LoRA"),
    "saved modules": (lambda f: edit_config(f, modules_to_save=["lm_head"]), "modules_to_save"),
    "shape": (lambda f: edit_tensors(f, _narrow), "shape"),
    "target": (lambda f: edit_tensors(f, _stranger), "does not have"),
    "nan": (lambda f: edit_tensors(f, _not_finite), "finite"),
    "counterpart": (lambda f: edit_tensors(f, _one_less), "counterpart|lora_B"),
    "manifest": (lambda f: (f / "manifest.json").write_text("{"), "manifest"),
}


async def test_a_broken_version_is_refused_and_the_last_good_stays(
    tiny_model: Path, shelf: Path, tmp_path: Path
) -> None:
    good = next(iter(FORCED))
    async with running(tiny_model, tmp_path) as backend:
        await backend.load(good, None, make_default=True)
        for name, (damage, reason) in BROKEN.items():
            shutil.rmtree(shelf / "run-r01")
            shutil.copytree(shelf / "run-r00", shelf / "run-r01")
            manifest = json.loads((shelf / "run-r01" / "manifest.json").read_text())
            (shelf / "run-r01" / "manifest.json").write_text(json.dumps(manifest | {"version": "run-r01"}))
            damage(shelf / "run-r01")
            with pytest.raises(InvalidInputError, match=reason):
                await backend.load("run-r01", None, make_default=True)
            assert [card.id for card in backend.models()] == [str(tiny_model), good], name
        assert await says(backend) == (good, [FORCED[good]] * 3)


async def test_names_never_change_their_weights(tiny_model: Path, shelf: Path, tmp_path: Path) -> None:
    async with running(tiny_model, tmp_path) as backend:
        await backend.load("run-r00", None, make_default=True)
        await backend.load("run-r00", None, make_default=True)
        plain = tmp_path / "plain"
        shutil.copytree(shelf / "run-r01", plain)
        (plain / "manifest.json").unlink()
        with pytest.raises(ConflictError, match="other weights"):
            await backend.load("run-r00", str(plain), make_default=True)
        with pytest.raises(InvalidInputError, match="names version"):
            await backend.load("run-r09", str(shelf / "run-r01"), make_default=True)
        card = await backend.load("plain-peft", str(plain), make_default=False)
        assert (card.live, card.parent) == (False, str(tiny_model))


async def test_the_least_recently_used_version_leaves(tiny_model: Path, shelf: Path, tmp_path: Path) -> None:
    one, two, three = list(FORCED)[:3]
    async with running(tiny_model, tmp_path, policy_max_adapters=2) as backend:
        await backend.load(one, None, make_default=True)
        await backend.load(two, None, make_default=False)
        assert (await says(backend, one))[0] == one
        await backend.load(three, None, make_default=False)
        assert [card.id for card in backend.models()] == [str(tiny_model), one, three]
        with pytest.raises(NotFoundError):
            await says(backend, two)
        await backend.versions.drained()
        assert backend.model.weights.merged == [0, 1, 3]


async def test_unloading_the_live_version_gives_way_to_the_base(tiny_model: Path, shelf: Path, tmp_path: Path) -> None:
    name = next(iter(FORCED))
    async with running(tiny_model, tmp_path) as backend:
        await backend.load(name, None, make_default=True)
        await backend.unload(name)
        assert (await says(backend))[0] == str(tiny_model)
        with pytest.raises(NotFoundError):
            await backend.unload(name)
        with pytest.raises(ConflictError):
            await backend.unload(str(tiny_model))


async def test_restart_serves_what_was_served(tiny_model: Path, shelf: Path, tmp_path: Path) -> None:
    one, two = list(FORCED)[:2]
    async with running(tiny_model, tmp_path) as backend:
        await backend.load(one, None, make_default=True)
        await backend.load(two, None, make_default=False)
    async with running(tiny_model, tmp_path) as backend:
        assert await says(backend) == (one, [FORCED[one]] * 3)
        assert await says(backend, two) == (two, [FORCED[two]] * 3)
    _flip_a_byte(shelf / one)
    async with running(tiny_model, tmp_path) as backend:
        assert (await says(backend))[0] == str(tiny_model)
        assert await says(backend, two) == (two, [FORCED[two]] * 3)
    async with running(tiny_model, tmp_path, policy_restore="none") as backend:
        assert len(backend.models()) == 1


async def test_a_version_changed_in_place_is_refused_until_it_is_unloaded(
    tiny_model: Path, shelf: Path, tmp_path: Path
) -> None:
    name, other = list(FORCED)[:2]
    async with running(tiny_model, tmp_path) as backend:
        await backend.load(name, None, make_default=False)
    edit_config(shelf / name, lora_alpha=3)
    for _ in range(2):
        async with running(tiny_model, tmp_path) as backend:
            for _ in range(2):
                with pytest.raises(ConflictError, match="was served before with"):
                    await backend.load(name, None, make_default=False)
            await backend.load(other, None, make_default=False)
            assert name not in [card.id for card in backend.models()]
    async with running(tiny_model, tmp_path) as backend:
        await backend.unload(name)
        await backend.load(name, None, make_default=False)
        assert (await says(backend, name))[0] == name


async def test_a_broken_state_file_does_not_stop_the_service(tiny_model: Path, tmp_path: Path) -> None:
    settings = policy_settings(tiny_model, tmp_path)
    settings.state_file.parent.mkdir(parents=True)
    settings.state_file.write_text("{")
    async with running(tiny_model, tmp_path) as backend:
        assert (await says(backend))[0] == str(tiny_model)


async def test_peft_side_by_side_for_large_bases(tiny_model: Path, shelf: Path, tmp_path: Path) -> None:
    """The path of bases that are too large to be copied, on the tiny one."""
    one, two = list(FORCED)[:2]
    async with running(tiny_model, tmp_path, policy_merge_below=0) as backend:
        before = await says(backend)
        await backend.load(one, None, make_default=True)
        await backend.load(two, None, make_default=False)
        _flip = asyncio.gather(says(backend, one), says(backend, two), says(backend, str(tiny_model)), says(backend))
        assert await _flip == [(one, [FORCED[one]] * 3), (two, [FORCED[two]] * 3), before, (one, [FORCED[one]] * 3)]
        await backend.unload(one)
        await backend.versions.drained()
        assert await says(backend) == before
        with pytest.raises(A3TError):
            await says(backend, one)


async def test_nf4_base_serves_adapters(tiny_model: Path, shelf: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="the nf4 base needs bitsandbytes")
    name = next(iter(FORCED))
    async with running(tiny_model, tmp_path, policy_quantisation="nf4") as backend:
        await backend.load(name, None, make_default=True)
        assert await says(backend) == (name, [FORCED[name]] * 3)
        assert (await says(backend, str(tiny_model)))[0] == str(tiny_model)
