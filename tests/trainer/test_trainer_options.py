"""Every option of a job runs on every base that ships: none ends in NaN or in a traceback."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
from peft import PeftModel
from pydantic import BaseModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.schemas import Augmentation, LoraSettings, Objective, ObjectiveName, Optimisation
from a3t_contracts.schemas.trajectory import Trajectory
from a3t_trainer.training.model import load_base, load_tokenizer, with_adapter
from tests.trainer.conftest import mixed_set
from tests.trainer.jobs_support import request, run

WORDS = ["mug", "cup", "bowl", "red", "blue", "black", "white"]
"""Some of them are one token of each base; only such words can be exchanged."""
BASES = ("a3t/tiny", "a3t/tiny-webshop")
SECTIONS: dict[str, type[BaseModel]] = {
    "objective": Objective,
    "lora": LoraSettings,
    "optimisation": Optimisation,
    "augmentation": Augmentation,
}
JOBS: dict[str, dict[str, dict[str, Any]]] = {
    "defaults": {},
    "dora": {
        "objective": {"normalisation": "per_token"},
        "lora": {"use_dora": True, "target_modules": "all-linear", "dropout": 0.1},
        "optimisation": {"packing": False, "schedule": "linear", "warmup_ratio": 0.5, "weight_decay": 0.01},
    },
    "rslora": {
        "objective": {"normalisation": "per_trajectory", "failure_reward": 0.5},
        "lora": {"use_rslora": True, "dtype": "bfloat16"},
        "optimisation": {"gradient_checkpointing": True, "schedule": "cosine", "max_grad_norm": 0.0},
    },
    "nf4": {
        "lora": {"quantisation": "nf4", "double_quantisation": True},
        "optimisation": {
            "optimizer": "paged_adamw_32bit",
            "schedule": "constant_with_warmup",
            "average_checkpoints": 2,
            "interpolation": 0.5,
        },
    },
    "nf4 dora": {"lora": {"quantisation": "nf4", "use_dora": True, "target_modules": "all-linear"}},
    "bfloat16 products": {
        "lora": {"target_modules": "all-linear"},
        "optimisation": {"matmul_precision": "medium"},
    },
    "weights": {
        "objective": {
            "failure_weight": 0.1,
            "failure_observations": False,
            "failure_nll_cap": 5.0,
            "observation_weight": 0.5,
            "thought_weight": 0.5,
            "action_weight": 2.0,
            "invalid_weight": 0.0,
            "repeat_weight": 0.0,
            "purposeless_weight": 0.0,
            "skip_thoughts": ["I look for a mug 0"],
        },
        "augmentation": {"interchangeable": [WORDS], "share": 1.0},
    },
} | {f"objective {name}": {"objective": {"name": name, "dpo_beta": 0.2}} for name in ObjectiveName}
SMALL = {
    "epochs": 2,
    "max_steps": 2,
    "learning_rate": 1e-3,
    "tokens_per_batch": 900,
    "trajectories_per_step": 4,
    "max_length": 512,
    "save_steps": 1,
    "threads": 1,
}


@pytest.fixture(scope="module")
def trajectories() -> list[Trajectory]:
    return mixed_set(3)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("job", JOBS)
def test_every_option_trains_and_its_adapter_is_finite(
    base: str, job: str, trajectories: list[Trajectory], tmp_path: Path
) -> None:
    sections = {name: dict(values) for name, values in JOBS[job].items()}
    augmentation = Augmentation(**_exchangeable(base, sections.pop("augmentation", {})))
    sections["optimisation"] = SMALL | sections.get("optimisation", {})
    _, recorder = run(tmp_path, request(base, augmentation=augmentation, **sections), trajectories)
    last = recorder.readings[-1]
    assert last.step == 2
    assert last.loss is not None
    assert math.isfinite(last.loss)
    for name, value in load_file(tmp_path / "registry" / "v0" / "adapter_model.safetensors").items():
        assert torch.isfinite(value).all(), name


@pytest.mark.parametrize("section", SECTIONS)
def test_the_jobs_use_every_option_and_every_choice(section: str) -> None:
    """A new option without a job above fails here."""
    small = SMALL | {"rank": 4, "alpha": 8}
    for name, field in SECTIONS[section].model_fields.items():
        tried = [values[name] for job in JOBS.values() if name in (values := job.get(section, {}))]
        default = field.get_default(call_default_factory=True)
        assert name in small or any(value != default for value in tried), f"{section}.{name}"
        choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
        assert all(choice in [*tried, default] for choice in choices), f"{section}.{name}"


@pytest.mark.parametrize("base", BASES)
def test_dora_on_rows_of_zeros_begins_at_the_base_and_is_served_by_peft_as_trained(
    base: str, trajectories: list[Trajectory], tmp_path: Path
) -> None:
    """The bases that ship have rows of zeros, which plain DoRA divides by."""
    body = request(base, lora={"use_dora": True, "target_modules": "all-linear"}, optimisation=SMALL)
    ids = torch.arange(40)[None] + 5

    def logits(model: Any) -> torch.Tensor:
        with torch.no_grad():
            result: torch.Tensor = model.eval()(input_ids=ids).logits
        return result

    plain = logits(_plain(base))
    fresh = with_adapter(load_base(body), body.lora, None, body.seed)
    magnitudes = [p for name, p in fresh.named_parameters() if "lora_magnitude_vector" in name]
    assert any((m == 0).any() for m in magnitudes), "this base is no example of the case any more"
    fresh.save_pretrained(str(tmp_path / "fresh"))
    started = logits(PeftModel.from_pretrained(_plain(base), str(tmp_path / "fresh")))
    assert torch.allclose(started, plain, atol=1e-4)
    run(tmp_path, body, trajectories)
    served = PeftModel.from_pretrained(_plain(base), str(tmp_path / "registry" / "v0"))
    side_by_side = logits(served)
    assert torch.isfinite(side_by_side).all()
    assert not torch.allclose(side_by_side, plain, atol=1e-3)
    merged = logits(served.merge_and_unload(safe_merge=True))
    assert torch.allclose(merged, side_by_side, atol=1e-3)


def _exchangeable(base: str, augmentation: dict[str, Any]) -> dict[str, Any]:
    """The same with the words that this base writes as one token."""
    tokenizer = load_tokenizer(base)
    groups = [
        [word for word in group if len(tokenizer(f" {word}", add_special_tokens=False).input_ids) == 1]
        for group in augmentation.get("interchangeable", [])
    ]
    assert all(len(group) > 1 for group in groups)
    return augmentation | {"interchangeable": groups}


def _plain(base: str) -> Any:
    return AutoModelForCausalLM.from_pretrained(resolve_base_model(base))
