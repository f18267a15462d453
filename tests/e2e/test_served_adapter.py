"""What the trainer's model thinks of a text, the policy service thinks, too: the same log-probabilities."""

from __future__ import annotations

from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import torch

from a3t_contracts.schemas.policy import Sampling
from a3t_policy.backends.local import LocalBackend
from a3t_policy.generation import Generation
from a3t_policy.settings import PolicySettings
from tests.trainer.conftest import mixed_set
from tests.trainer.jobs_support import request, run

CUDA = torch.cuda.is_available()
PROMPTS = [f"Observation: You are in room {n}. Your task is to: put a mug in cabinet.\n" for n in range(3)]


@pytest.mark.parametrize("quantisation", ["none", "nf4"])
async def test_the_served_adapter_gives_the_trainers_logprobs(
    quantisation: str, tiny_model: Path, tmp_path: Path
) -> None:
    """QLoRA from the training file to the live version; on a GPU where there is one."""
    torch.set_num_threads(1)
    tolerance = 0.4 if CUDA and quantisation == "nf4" else 1e-4  # products of nf4 are in bfloat16 there
    model = _trained(quantisation, tiny_model, tmp_path)
    settings = PolicySettings(
        home=tmp_path,
        registry=str(tmp_path / "registry"),
        policy_base_model=str(tiny_model),
        policy_dtype="auto" if quantisation == "nf4" else "float32",
        policy_quantisation=quantisation,
        policy_max_context=256,
        policy_slots=8,
        policy_live="own",
    )
    backend = LocalBackend(settings)
    await backend.start()
    try:
        await backend.load("v0", None, make_default=True)
        for text in PROMPTS:
            ask = _ask(backend, text)
            done = await backend.generate(ask)
            assert done.model == "v0"
            assert done.ids is not None
            assert _gap(done.logprobs, _trainers_logprobs(model, ask.prompt_ids, done.ids)) < tolerance
            with model.disable_adapter():
                assert _gap(done.logprobs, _trainers_logprobs(model, ask.prompt_ids, done.ids)) > 2 * tolerance
    finally:
        await backend.close()


def _trained(quantisation: str, base: Path, folder: Path) -> Any:
    """Run a job to its publication; the model that it ended with."""
    kept: list[Any] = []
    body = request(base, lora={"quantisation": quantisation}, optimisation={"learning_rate": 1e-2, "epochs": 8})
    run(folder, body, mixed_set(), inspect=lambda trainer: kept.append(trainer.model))
    return kept[0].eval()


def _gap(left: list[float] | None, right: list[float] | None) -> float:
    """The mean difference of two rows of log-probabilities."""
    return mean(abs(a - b) for a, b in zip(left or [], right or [], strict=True))


def _ask(backend: LocalBackend, text: str) -> Generation:
    return Generation(backend.codec.prompt(text), text, Sampling(max_tokens=16), ignore_eos=True)


def _trainers_logprobs(model: Any, prompt: list[int], completion: list[int]) -> list[float]:
    """By the forward pass that training uses: one packed row, logits where they are asked for."""
    ids = torch.tensor([prompt + completion], device=model.device)
    before = torch.arange(len(prompt) - 1, ids.shape[1] - 1, device=model.device)
    ends = torch.tensor([0, ids.shape[1]], dtype=torch.int32, device=model.device)
    with (
        torch.no_grad(),
        torch.autocast("cuda", torch.bfloat16, enabled=CUDA and getattr(model.get_base_model(), "is_quantized", False)),
    ):
        logprobs: torch.Tensor = model(
            input_ids=ids,
            position_ids=torch.arange(ids.shape[1], device=model.device)[None],
            cu_seq_lens_q=ends,
            max_length_q=ids.shape[1],
            keep=before,
            targets=ids[0, before + 1],
        )
    return logprobs.tolist()
