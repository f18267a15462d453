"""What the trainer's model thinks of a text, the policy service thinks, too: the same log-probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from a3t_contracts.schemas.policy import Sampling
from a3t_policy.backends.local import LocalBackend
from a3t_policy.generation import Generation
from a3t_policy.settings import PolicySettings
from a3t_trainer.training import run as run_module
from tests.trainer.conftest import mixed_set
from tests.trainer.jobs_support import request, run

PROMPTS = [f"Observation: You are in room {n}. Your task is to: put a mug in cabinet.\n" for n in range(3)]


@pytest.mark.parametrize("quantisation", ["none", "nf4"])
async def test_the_served_adapter_gives_the_trainers_logprobs(
    quantisation: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QLoRA from the training file to the live version, on a CPU."""
    torch.set_num_threads(1)
    model = _trained(quantisation, tiny_model, tmp_path, monkeypatch)
    settings = PolicySettings(
        home=tmp_path, registry=str(tmp_path / "registry"), policy_base_model=str(tiny_model), policy_device="cpu",
        policy_quantisation=quantisation, policy_max_context=256, policy_slots=8,
    )  # fmt: skip
    backend = LocalBackend(settings)
    await backend.start()
    try:
        before = [await backend.generate(_ask(backend, text)) for text in PROMPTS]
        await backend.load("v0", None, make_default=True)
        for text, untrained in zip(PROMPTS, before, strict=True):
            ask = _ask(backend, text)
            done = await backend.generate(ask)
            assert done.model == "v0"
            assert done.ids is not None
            assert done.logprobs == pytest.approx(_trainers_logprobs(model, ask.prompt_ids, done.ids), abs=2e-4)
            assert done.logprobs != pytest.approx(untrained.logprobs, abs=1e-2)
    finally:
        await backend.close()


def _trained(quantisation: str, base: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a job to its publication; the model that it ended with."""
    kept: list[Any] = []
    finish = run_module._finish

    def keep(trainer: Any, *arguments: Any) -> dict[str, float]:
        kept.append(trainer.model)
        return finish(trainer, *arguments)

    monkeypatch.setattr(run_module, "_finish", keep)
    body = request(base, lora={"quantisation": quantisation}, optimisation={"learning_rate": 1e-2, "epochs": 2})
    run(folder, body, mixed_set())
    return kept[0].eval()


def _ask(backend: LocalBackend, text: str) -> Generation:
    return Generation(backend.codec.prompt(text), text, Sampling(max_tokens=16), ignore_eos=True)


def _trainers_logprobs(model: Any, prompt: list[int], completion: list[int]) -> list[float]:
    """By the forward pass that training uses: one packed row, logits where they are asked for."""
    ids = torch.tensor([prompt + completion])
    before = torch.arange(len(prompt) - 1, ids.shape[1] - 1)
    ends = torch.tensor([0, ids.shape[1]], dtype=torch.int32)
    with torch.no_grad():
        logprobs: torch.Tensor = model(
            input_ids=ids, position_ids=torch.arange(ids.shape[1])[None], cu_seq_lens_q=ends,
            max_length_q=ids.shape[1], keep=before, targets=ids[0, before + 1],
        )  # fmt: skip
    return logprobs.tolist()
