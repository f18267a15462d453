"""Training on a GPU: the flash kernel's packed rows, QLoRA with the paged optimiser, and a killed process."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from a3t_contracts.schemas import FineTuningJobCreate
from a3t_trainer.training import attention
from tests.trainer.conftest import mixed_set, write_jsonl
from tests.trainer.jobs_support import request, run
from tests.trainer.process_on_pipes import ProcessOnPipes

PRECISIONS: dict[str, dict[str, Any]] = {
    "float32": {"dtype": "float32"},
    "bfloat16": {"dtype": "bfloat16"},
    "nf4": {"dtype": "bfloat16", "quantisation": "nf4"},
}


def first_loss(folder: Path, base: Path, precision: str, **optimisation: Any) -> float:
    """The loss of the first step, before anything was learnt."""
    body = request(base, lora=PRECISIONS[precision], optimisation={"max_steps": 1, **optimisation})
    _, recorder = run(folder, body, mixed_set())
    loss = recorder.readings[0].loss
    assert loss is not None
    return loss


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_packed_rows_have_the_loss_of_padded_ones(
    tiny_model: Path, tmp_path: Path, precision: str, checkpointing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    flash = _count_flash(monkeypatch)
    packed = first_loss(tmp_path / "a", tiny_model, precision, packing=True, gradient_checkpointing=checkpointing)
    assert bool(flash) == (precision != "float32"), "half precision takes the flash kernel, float32 cannot"
    padded = first_loss(tmp_path / "b", tiny_model, precision, packing=False)
    assert packed == pytest.approx(padded, rel=1e-5 if precision == "float32" else 2e-2)


def test_half_precision_has_the_loss_of_float32(tiny_model: Path, tmp_path: Path) -> None:
    losses = {name: first_loss(tmp_path / name, tiny_model, name) for name in PRECISIONS}
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=2e-2)
    assert losses["nf4"] == pytest.approx(losses["float32"], rel=0.15)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_a_gpu_trains_learns(tiny_model: Path, tmp_path: Path, precision: str) -> None:
    optimisation = {
        "epochs": 20,
        "learning_rate": 1e-2,
        "optimizer": "paged_adamw_32bit",
        "gradient_checkpointing": True,
        "average_checkpoints": 4,
    }
    lora = {**PRECISIONS[precision], "rank": 8, "target_modules": "all-linear"}
    manifest, recorder = run(
        tmp_path, request(tiny_model, lora=lora, optimisation=optimisation, objective={"name": "sft"}), mixed_set()
    )
    first, last = (r.loss_parts["success"] for r in (recorder.readings[0], recorder.readings[-1]))
    assert last < 0.5 * first
    assert manifest.metrics["peak_memory_bytes"] > 0


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_killed_process_goes_on_where_it_was(tiny_model: Path, tmp_path: Path, precision: str) -> None:
    """Weights, the paged optimiser's state and the generators come back; a GPU's sums differ in their last bits."""
    write_jsonl(tmp_path / "x.jsonl", mixed_set())
    outcome, code, _ = ProcessOnPipes(tmp_path, fork=False).attempt(_job(tiny_model, "calm", precision), None)
    assert (outcome.keys(), code) == ({"published"}, 0)
    body = _job(tiny_model, "disturbed", precision)
    outcome, code, _ = ProcessOnPipes(tmp_path, fork=False).attempt(body, kill_at=8)
    assert (outcome, code) == ({}, -signal.SIGKILL)
    outcome, code, messages = ProcessOnPipes(tmp_path, fork=False).attempt(body, None)
    assert (outcome.keys(), code) == ({"published"}, 0)
    assert any(m.startswith("Continuing from checkpoint-") for m in messages)
    calm, disturbed = (
        load_file(tmp_path / "registry" / v / "adapter_model.safetensors") for v in ("calm", "disturbed")
    )
    for name, value in calm.items():
        torch.testing.assert_close(disturbed[name], value, rtol=0.05, atol=5e-3, msg=name)


def _job(base: Path, version: str, precision: str) -> FineTuningJobCreate:
    return request(
        base,
        version,
        lora={**PRECISIONS[precision], "dropout": 0.1},
        optimisation={"max_steps": 16, "save_steps": 5, "optimizer": "paged_adamw_32bit", "schedule": "cosine"},
    )


def _count_flash(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with every call of the flash kernel."""
    calls: list[int] = []
    kernel = attention.flash

    def counted(*arguments: Any) -> torch.Tensor:
        calls.append(1)
        return kernel(*arguments)

    monkeypatch.setattr(attention, "flash", counted)
    return calls
