"""The engine on a GPU against transformers and peft on the same GPU."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from a3t_contracts.nf4 import keep_compute_dtype
from a3t_contracts.schemas.policy import Sampling
from a3t_policy.backends.local import LocalBackend
from a3t_policy.generation import Generation
from a3t_policy.settings import PolicySettings
from tests.policy.policy_support import publish_random

TEXTS = [f"Observation: You are in room {n}." + " The cabinet 1 is closed." * n for n in range(12)]
TOKENS = 8


@asynccontextmanager
async def served(base: Path, home: Path, **changes: Any) -> AsyncIterator[LocalBackend]:
    """The engine with settings of a GPU."""
    fields: dict[str, Any] = {
        "home": home,
        "registry": str(home / "registry"),
        "policy_base_model": str(base),
        "policy_device": "cuda",
        "policy_max_context": 512,
        "policy_slots": 24,
        "policy_max_batch": 16,
        "policy_prefill_tokens": 64,
    }
    backend = LocalBackend(PolicySettings(**(fields | changes)))
    await backend.start()
    try:
        yield backend
    finally:
        await backend.close()


def ask(backend: LocalBackend, text: str, model: str | None = None, **sampling: Any) -> Generation:
    wanted = Sampling.model_validate({"max_tokens": TOKENS} | sampling)
    return Generation(backend.codec.prompt(text), text, wanted, ignore_eos=True, model=model)


def expected(model: Any, prompt: list[int], ids: list[int]) -> list[float]:
    """Log-probabilities of a completion by transformers' own forward pass."""
    row = torch.tensor([prompt + ids], device="cuda")
    with torch.inference_mode():
        logprobs = torch.log_softmax(model(row).logits[0].float(), dim=-1)
    return logprobs[len(prompt) - 1 : -1].gather(1, row[0, len(prompt) :, None])[:, 0].tolist()


def loaded(base: Path, adapter: Path | None = None, *, nf4: bool = False, dtype: torch.dtype = torch.float32) -> Any:
    options: dict[str, Any] = {"dtype": dtype, "device_map": {"": "cuda"}}
    if nf4:
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    model = AutoModelForCausalLM.from_pretrained(base, **options)
    return keep_compute_dtype(model if adapter is None else PeftModel.from_pretrained(model, str(adapter))).eval()


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-3), ("bfloat16", 0.2), ("float16", 0.03)])
async def test_turns_of_many_sequences_equal_transformers(
    tiny_model: Path, tmp_path: Path, dtype: str, tolerance: float
) -> None:
    """All at once, a second turn of each from its slot; log-probabilities as transformers has them, in the mean: random
    weights make single ones noisy in half precision."""
    model = loaded(tiny_model, dtype=getattr(torch, dtype))
    async with served(tiny_model, tmp_path, policy_dtype=dtype) as backend:
        first = [ask(backend, text) for text in TEXTS]
        said = await asyncio.gather(*(backend.generate(one) for one in first))
        more = backend.codec.encode("Observation: Nothing happens.\n", add_special_tokens=False)
        second = [replace(a, prompt_ids=a.prompt_ids + (s.ids or []) + more) for a, s in zip(first, said, strict=True)]
        again = await asyncio.gather(*(backend.generate(one) for one in second))
    assert sum(done.cached_tokens for done in again) > 0
    gaps = []
    for asked, done in zip([*first, *second], [*said, *again], strict=True):
        assert done.ids is not None
        assert len(done.ids) == TOKENS
        right = expected(model, asked.prompt_ids, done.ids)
        gaps += [abs(a - b) for a, b in zip(done.logprobs or [], right, strict=True)]
    assert mean(gaps) < tolerance


@pytest.mark.parametrize("nf4", [False, True])
async def test_adapters_side_by_side_equal_peft(tiny_model: Path, tmp_path: Path, nf4: bool) -> None:
    """What a large base does: two versions and the base in the same steps, none merged."""
    versions = {f"run-r{n:02d}": publish_random(tmp_path / "registry", tiny_model, f"run-r{n:02d}", n) for n in (0, 1)}
    quantisation = "nf4" if nf4 else "none"
    settings = {"policy_merge_below": 0, "policy_dtype": "float32", "policy_quantisation": quantisation}
    async with served(tiny_model, tmp_path, **settings) as backend:
        for version in versions:
            await backend.load(version, None, make_default=False)
        asked = [ask(backend, text, model) for text in TEXTS[:4] for model in (None, *versions)]
        done = await asyncio.gather(*(backend.generate(one) for one in asked))
    models = {None: loaded(tiny_model, nf4=nf4)}
    models |= {v: loaded(tiny_model, folder, nf4=nf4) for v, folder in versions.items()}
    for one, result in zip(asked, done, strict=True):
        assert result.ids is not None
        right = expected(models[one.model], one.prompt_ids, result.ids)
        assert result.logprobs == pytest.approx(right, abs=1e-2)


async def test_a_seed_gives_the_same_text_again(tiny_model: Path, tmp_path: Path) -> None:
    async with served(tiny_model, tmp_path, policy_dtype="float32") as backend:
        sampled = {"temperature": 1.0, "top_p": 0.9, "max_tokens": 32}
        texts = [(await backend.generate(ask(backend, TEXTS[2], **sampled, seed=seed))).ids for seed in (5, 5, 6)]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


async def test_cache_slots_leave_memory_for_others(tiny_model: Path, tmp_path: Path) -> None:
    """However many slots are asked for, the engine takes a share of the GPU's free memory."""
    free = torch.cuda.mem_get_info()[0]
    async with served(tiny_model, tmp_path, policy_slots=1_000_000, policy_max_context=2048) as backend:
        taken = free - torch.cuda.mem_get_info()[0]
        assert 0.3 * free < taken < 0.75 * free
        assert (await backend.generate(ask(backend, TEXTS[0]))).ids
