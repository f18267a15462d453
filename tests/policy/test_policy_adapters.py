"""Adapters of every kind: served as peft computes them, or refused by name; the base never changes."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig
from peft.config import PeftConfig
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from a3t_contracts import adapter_config
from a3t_contracts.errors import A3TError, ConflictError, InvalidInputError, NotFoundError, UnavailableError
from a3t_contracts.schemas.policy import Sampling
from a3t_policy.backends.local import LocalBackend
from a3t_policy.engine import adapters, side_by_side, weights
from a3t_policy.engine.flat import Chunk
from a3t_policy.generation import Generation
from a3t_policy.versions import BaseFacts, check_adapter

from .adapter_kinds import IDS, REFUSED, SERVED, expected, make, make_converted
from .conftest import policy_settings

MODES: dict[str, dict[str, Any]] = {
    "merged": {},
    "side by side": {"policy_merge_below": 0},
    "nf4": {"policy_quantisation": "nf4"},
}
BASE = "the base"


@pytest.fixture(scope="module")
def kinds(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an adapter of every kind."""
    folder = tmp_path_factory.mktemp("kinds")
    for name, settings in SERVED.items():
        make(folder, tiny_model, name, settings)
    for name, (settings, _) in REFUSED.items():
        make(folder, tiny_model, name, settings)
    make_converted(folder, tiny_model)
    return folder


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    if request.param == "nf4":
        pytest.importorskip("bitsandbytes", reason="the nf4 base needs bitsandbytes")
    return str(request.param)


@asynccontextmanager
async def running(base: Path, home: Path, mode: str) -> AsyncIterator[LocalBackend]:
    backend = LocalBackend(policy_settings(base, home, policy_max_context=256, policy_slots=8, **MODES[mode]))
    await backend.start()
    try:
        yield backend
    finally:
        await backend.close()


def computed(backend: LocalBackend, name: str | None) -> torch.Tensor:
    """Log-probabilities after IDS by the engine."""
    version = backend.versions.base if name is None else backend.versions.find(name)
    engine = backend.model.engine
    work = engine.between_steps(lambda: engine.runner.forward(version.number, [Chunk(0, 0, IDS)])[0])
    return torch.log_softmax(work.result(60), dim=-1)


def agrees(given: torch.Tensor, wanted: torch.Tensor, what: str) -> None:
    difference = float((given - wanted).abs().max())
    assert difference < 2e-4, f"{what}: differs by {difference}"


async def test_every_served_kind_is_what_peft_computes_and_leaves_the_base(
    mode: str, tiny_model: Path, kinds: Path, tmp_path: Path
) -> None:
    nf4 = mode == "nf4"
    base = expected(tiny_model, None, nf4=nf4)
    async with running(tiny_model, tmp_path, mode) as backend:
        held = {name: weight.clone() for name, weight in backend.model.weights.base.state_dict().items()}
        for name in (*SERVED, "converted"):
            await backend.load(name, str(kinds / name), make_default=False)
            wanted = expected(tiny_model, kinds / name, nf4=nf4)
            assert float((wanted - base).abs().max()) > 1e-2, f"{name}: the adapter does nothing"
            agrees(computed(backend, name), wanted, name)
            agrees(computed(backend, None), base, f"the base beside {name}")
        for name in [card.id for card in backend.models()[1:]]:
            await backend.unload(name)
        await backend.versions.drained()
        after = backend.model.weights.base.state_dict()
        assert after.keys() == held.keys()
        assert [name for name, weight in held.items() if not torch.equal(weight, after[name])] == []


async def test_every_other_kind_is_refused_by_name(mode: str, tiny_model: Path, kinds: Path, tmp_path: Path) -> None:
    base = expected(tiny_model, None, nf4=mode == "nf4")
    async with running(tiny_model, tmp_path, mode) as backend:
        for name, (_, reason) in REFUSED.items():
            with pytest.raises(InvalidInputError, match=reason):
                await backend.load(name, str(kinds / name), make_default=False)
            agrees(computed(backend, None), base, f"the base after {name}")
        assert backend.versions.live is backend.versions.base


def _fail_in_the_middle(*_: Any) -> None:
    raise RuntimeError("not enough memory")


async def _apply(backend: LocalBackend, step: str, kinds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One step of an order; a step that cannot be done is refused."""
    what, _, name = step.partition(" ")
    if what == "load":
        await backend.load(name, str(kinds / name), make_default=False)
    elif what == "unload":
        try:
            await backend.unload(name)
        except NotFoundError:
            return
        await backend.versions.drained()
    elif what == "refused":
        with pytest.raises(InvalidInputError):
            await backend.load("refused", str(kinds / name), make_default=False)
    else:
        with monkeypatch.context() as patch:
            patch.setattr(adapters, "cast_adapter_dtype", _fail_in_the_middle)
            with pytest.raises(InvalidInputError, match="not enough memory"):
                await backend.load("broken", str(kinds / name), make_default=False)


async def test_any_order_of_loads_refusals_and_unloads_serves_what_is_loaded(
    mode: str, tiny_model: Path, kinds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orders of six steps in which two adapters, on other modules each, come and go, and two more fail to."""
    one, two = "plain", "expression"
    steps = [f"load {one}", f"load {two}", f"unload {one}", f"unload {two}", "refused pissa", "broken all-linear"]
    wanted = {name: expected(tiny_model, kinds / name, nf4=mode == "nf4") for name in (one, two)}
    base = expected(tiny_model, None, nf4=mode == "nf4")
    orders = list(itertools.permutations(steps))
    async with running(tiny_model, tmp_path, mode) as backend:
        for order in orders[:: 13 if mode == "side by side" else 61]:
            for done, step in enumerate(order):
                before = {card.id for card in backend.models()}
                await _apply(backend, step, kinds, monkeypatch)
                if step.startswith(("refused", "broken")):
                    assert {card.id for card in backend.models()} == before
                agrees(computed(backend, None), base, f"the base after {order[: done + 1]}")
                for card in backend.models()[1:]:
                    agrees(computed(backend, card.id), wanted[card.id], f"{card.id} after {order[: done + 1]}")
            for card in backend.models()[1:]:
                await backend.unload(card.id)
            await backend.versions.drained()


async def test_a_restart_with_versions_that_went_bad_serves_the_base_and_the_rest(
    mode: str, tiny_model: Path, kinds: Path, tmp_path: Path
) -> None:
    nf4 = mode == "nf4"
    for name in ("plain", "expression"):
        shutil.copytree(kinds / name, tmp_path / name)
    async with running(tiny_model, tmp_path, mode) as backend:
        await backend.load("plain", str(tmp_path / "plain"), make_default=False)
        await backend.load("expression", str(tmp_path / "expression"), make_default=False)
    shutil.copy(kinds / "pissa" / "adapter_config.json", tmp_path / "plain")
    async with running(tiny_model, tmp_path, mode) as backend:
        assert [card.id for card in backend.models()] == [str(tiny_model), "expression"]
        agrees(computed(backend, None), expected(tiny_model, None, nf4=nf4), BASE)
        agrees(computed(backend, "expression"), expected(tiny_model, kinds / "expression", nf4=nf4), "expression")
    settings = json.loads((tmp_path / "expression" / "adapter_config.json").read_text())
    (tmp_path / "expression" / "adapter_config.json").write_text(json.dumps(settings | {"lora_alpha": 1}))
    async with running(tiny_model, tmp_path, mode) as backend:
        assert [card.id for card in backend.models()] == [str(tiny_model)]
        agrees(computed(backend, None), expected(tiny_model, None, nf4=nf4), BASE)


async def test_a_state_that_cannot_be_written_hides_nothing_that_is_served(
    tiny_model: Path, kinds: Path, tmp_path: Path
) -> None:
    async with running(tiny_model, tmp_path, "side by side") as backend:
        backend.versions.state.path = Path("/dev/full/state.json")
        await backend.load("plain", str(kinds / "plain"), make_default=False)
        agrees(computed(backend, "plain"), expected(tiny_model, kinds / "plain"), "plain")
        assert [card.id for card in backend.models()] == [str(tiny_model), "plain"]


async def test_a_name_stands_for_its_whole_folder(tiny_model: Path, kinds: Path, tmp_path: Path) -> None:
    shutil.copytree(kinds / "plain", tmp_path / "plain")
    path = tmp_path / "plain" / "adapter_config.json"
    settings = json.loads(path.read_text())
    async with running(tiny_model, tmp_path, "merged") as backend:
        await backend.load("plain", str(tmp_path / "plain"), make_default=False)
        path.write_text(json.dumps(dict(reversed(settings.items()))))
        await backend.load("plain", str(tmp_path / "plain"), make_default=False)
        path.write_text(json.dumps(settings | {"lora_alpha": 80}))
        with pytest.raises(ConflictError, match="other weights or settings"):
            await backend.load("plain", str(tmp_path / "plain"), make_default=False)
        agrees(computed(backend, "plain"), expected(tiny_model, kinds / "plain"), "plain")


@pytest.mark.parametrize("mode", ["merged", "side by side"])
async def test_dora_on_rows_of_zeros_is_refused(mode: str, tiny_model: Path, kinds: Path, tmp_path: Path) -> None:
    async with running(tiny_model, tmp_path, mode) as backend:
        backend.model.weights.base.model.layers[0].self_attn.v_proj.weight.data[3] = 0.0
        adapter = tmp_path / "dora"
        shutil.copytree(kinds / "dora", adapter)
        path = adapter / "adapter_model.safetensors"
        tensors = load_file(path)
        tensors["base_model.model.model.layers.0.self_attn.v_proj.lora_B.weight"][3] = 0.0
        save_file(tensors, path)
        with pytest.raises(InvalidInputError, match="rows of zeros"):
            await backend.load("dora", str(adapter), make_default=False)


def test_a_base_of_pickles_is_not_served(tiny_model: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(InvalidInputError, match=r"pickle \(pytorch_model\.bin\).*safetensors files only"):
        weights.load_base(str(tmp_path), torch.device("cpu"), torch.float32, "none")


@pytest.mark.parametrize("name", ["patterns", "dora"])
def test_servers_behind_get_what_they_compute(name: str, tiny_model: Path, kinds: Path) -> None:
    facts = BaseFacts(str(tiny_model), "f", None)
    check_adapter(kinds / "plain", None, facts)
    with pytest.raises(InvalidInputError, match="upstream servers of this service ignore"):
        check_adapter(kinds / name, None, facts)


async def test_a_base_that_an_adapter_changes_is_not_served(
    tiny_model: Path, kinds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(base: Any, *_: Any) -> None:
        base.model.layers[0].mlp.up_proj.weight.data *= 1.001

    async with running(tiny_model, tmp_path, "side by side") as backend:
        await backend.ready()
        monkeypatch.setattr(side_by_side, "put_on", spoil)
        with pytest.raises(UnavailableError, match="changed the weights of the base"):
            await backend.load("plain", str(kinds / "plain"), make_default=False)
        with pytest.raises(UnavailableError, match="changed the weights of the base"):
            computed(backend, None)


async def _asks(backend: LocalBackend) -> None:
    await backend.generate(Generation(IDS, "", Sampling(max_tokens=1), model=backend.versions.base.name))


async def test_ready_turns_red_when_every_pass_fails_and_green_again(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no device")

    async with running(tiny_model, tmp_path, "merged") as backend:
        await backend.ready()
        with monkeypatch.context() as patch:
            patch.setattr(backend.model.engine.runner, "_compute", fail)
            for _ in range(3):
                await backend.ready()
                with pytest.raises(A3TError):
                    await _asks(backend)
            with pytest.raises(UnavailableError, match=r"last [34] passes failed \(RuntimeError: no device\)"):
                await backend.ready()
        await backend.ready()
        await _asks(backend)


def test_every_setting_of_peft_is_decided() -> None:
    """A setting that a later peft adds is served, ignored or refused by decision, not by accident."""
    decided = (
        set(adapter_config._SERVED) | adapter_config._IGNORED | set(adapter_config._REFUSED) | {"init_lora_weights"}
    )
    assert {field.name for field in dataclasses.fields(LoraConfig)} - decided == set()
    assert {field.name for field in dataclasses.fields(PeftConfig)} - decided == set()
