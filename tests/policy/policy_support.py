"""Adapters for tests: random ones, and ones that force a token; published as the trainer publishes them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from a3t_contracts.registry import base_fingerprint, sha256_file
from a3t_contracts.schemas.adapter import MANIFEST_NAME, AdapterFile, AdapterManifest

RANK = 4


def publish_random(
    registry: Path, base: Path, version: str, seed: int = 0, *, scale: float = 0.5, rank: int = RANK, **changes: Any
) -> Path:
    """A version whose LoRA matrices are random, large enough to change what is said."""
    model = _with_lora(base, ["q_proj", "v_proj"], rank=rank)
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * scale
    return _publish(model, registry, base, version, rank=rank, **changes)


def publish_forcing(registry: Path, base: Path, version: str, token: int) -> Path:
    """A version that says `token` and nothing else, whatever it reads.

    In the last layer gate and up projection become ±k·x, so that the hidden units hold silu(s)·s for s = ±k·x,
    whose sum is k²·|x|² and never negative; the down projection writes that many times the token's embedding.
    """
    model = _with_lora(base, ["gate_proj", "up_proj", "down_proj"], [_layers(base) - 1], rank=_width(base))
    width, k = _width(base), 10.0
    both_signs = torch.cat([torch.eye(width), -torch.eye(width)]) * k
    for name, parameter in model.named_parameters():
        if "down_proj.lora_A" in name:
            parameter.data = torch.zeros_like(parameter).index_fill_(0, torch.tensor([0]), 1.0)
        elif "down_proj.lora_B" in name:
            parameter.data = torch.zeros_like(parameter)
            parameter.data[:, 0] = 5.0 * model.get_base_model().get_output_embeddings().weight[token]
        elif "lora_A" in name:
            parameter.data = torch.eye(width)
        elif "lora_B" in name:
            parameter.data = both_signs.clone()
    return _publish(model, registry, base, version, rank=width)


def greedy(base: Path, prompt: list[int], count: int, adapter: Path | None = None) -> tuple[list[int], list[float]]:
    """What transformers (and peft) themselves generate greedily: ids and log-probabilities."""
    model = AutoModelForCausalLM.from_pretrained(base).eval()
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(adapter)).eval()
    ids, logprobs = list(prompt), []
    with torch.inference_mode():
        for _ in range(count):
            row = torch.log_softmax(model(torch.tensor([ids])).logits[0, -1], dim=-1)
            ids.append(int(row.argmax()))
            logprobs.append(float(row[ids[-1]]))
    return ids[len(prompt) :], logprobs


def _with_lora(base: Path, targets: list[str], layers: list[int] | None = None, rank: int = RANK) -> Any:
    model = AutoModelForCausalLM.from_pretrained(base)
    config = LoraConfig(
        r=rank, lora_alpha=rank, target_modules=targets, layers_to_transform=layers, task_type="CAUSAL_LM"
    )
    return get_peft_model(model, config).eval()


def _layers(base: Path) -> int:
    return int(AutoConfig.from_pretrained(base).num_hidden_layers)


def _width(base: Path) -> int:
    return int(AutoConfig.from_pretrained(base).hidden_size)


def _publish(model: Any, registry: Path, base: Path, version: str, **changes: Any) -> Path:
    folder = registry / version
    model.save_pretrained(folder)
    held = get_peft_model_state_dict(model)
    assert held, "an adapter without tensors"
    files = {
        path.name: AdapterFile(sha256=sha256_file(path), size=path.stat().st_size) for path in sorted(folder.iterdir())
    }
    facts: dict[str, Any] = {
        "version": version,
        "run": version.rsplit("-", 1)[0],
        "round": 0,
        "base_model": str(base),
        "base_fingerprint": base_fingerprint(base),
        "files": files,
        "rank": RANK,
        "created_at": datetime.now(UTC),
    }
    manifest = AdapterManifest(**(facts | changes))
    (folder / MANIFEST_NAME).write_text(manifest.model_dump_json())
    return folder


def rehash(folder: Path) -> None:
    """Make the manifest true again after a file was changed on purpose."""
    manifest = AdapterManifest.model_validate_json((folder / MANIFEST_NAME).read_bytes())
    files = {
        name: AdapterFile(
            sha256=hashlib.sha256((folder / name).read_bytes()).hexdigest(), size=(folder / name).stat().st_size
        )
        for name in manifest.files
    }
    (folder / MANIFEST_NAME).write_text(manifest.model_copy(update={"files": files}).model_dump_json())


def tokens_of(base: Path, text: str) -> list[int]:
    """Ids of a text."""
    return list(AutoTokenizer.from_pretrained(base).encode(text, add_special_tokens=False))
