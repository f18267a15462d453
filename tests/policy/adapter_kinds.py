"""Adapters of every kind that peft can save, and what peft itself computes with each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, initialize_lora_eva_weights
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from a3t_contracts.nf4 import keep_compute_dtype

IDS = [1, *range(20, 50)]
"""The prompt whose log-probabilities are compared."""

_COMMON: dict[str, Any] = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"}

SERVED: dict[str, dict[str, Any]] = {
    "plain": {},
    "rank-stabilised": {"use_rslora": True, "r": 16},
    "patterns": {
        "target_modules": ["q_proj", "v_proj", "o_proj"],
        "rank_pattern": {"layers.0.self_attn.q_proj": 12},
        "alpha_pattern": {"v_proj": 64, r".*\.1\..*o_proj": 2},
    },
    "expression": {"target_modules": r".*\.(q|k)_proj"},
    "some-layers": {"layers_to_transform": [1], "layers_pattern": "layers"},
    "excluded": {"target_modules": ["q_proj", "up_proj"], "exclude_modules": r".*layers\.0.*"},
    "all-linear": {"target_modules": "all-linear"},
    "output-layer": {"target_modules": ["q_proj", "lm_head"]},
    "dropout": {"lora_dropout": 0.3},
    "dora": {"use_dora": True},
    "all-together": {"use_dora": True, "use_rslora": True, "rank_pattern": {"q_proj": 8}, "alpha_pattern": {"v": 3}},
    "gaussian": {"init_lora_weights": "gaussian"},
    "orthogonal": {"init_lora_weights": "orthogonal"},
    "mica": {"init_lora_weights": "mica"},
    "eva": {"init_lora_weights": "eva", "r": 6},
    "transposed": {"fan_in_fan_out": True},
    "wide": {"r": 64},
}

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "pissa": ({"init_lora_weights": "pissa"}, "init_lora_weights.*path_initial_model_for_weight_conversion"),
    "pissa-fast": ({"init_lora_weights": "pissa_niter_4"}, "init_lora_weights"),
    "olora": ({"init_lora_weights": "olora"}, "init_lora_weights"),
    "bias": ({"bias": "all"}, "bias"),
    "saved-module": ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
    "embedding": ({"target_modules": ["embed_tokens", "q_proj"]}, "linear layer"),
    "tokens": ({"trainable_token_indices": [5, 6]}, "trainable_token_indices"),
    "lora-bias": ({"lora_bias": True}, "lora_bias"),
    "activated": ({"alora_invocation_tokens": [20, 21]}, "alora_invocation_tokens"),
    "replicated": ({"layer_replication": [[0, 2], [1, 2]]}, "layer_replication"),
}


def load_base(base: Path, *, nf4: bool = False) -> Any:
    """The base as transformers loads it."""
    extra: dict[str, Any] = {}
    if nf4:
        quantised = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
        )
        extra = {"quantization_config": quantised, "device_map": {"": "cpu"}}
    return keep_compute_dtype(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, **extra).eval())


def make(folder: Path, base: Path, name: str, settings: dict[str, Any], seed: int = 0) -> Path:
    """An adapter with random matrices, saved as people save it."""
    torch.manual_seed(seed)
    model = get_peft_model(load_base(base), LoraConfig(**(_COMMON | settings)))
    if settings.get("init_lora_weights") == "eva":
        texts = [{"input_ids": torch.randint(0, 300, (4, 24))} for _ in range(8)]
        initialize_lora_eva_weights(model, texts, show_progress_bar=False)
    for parameter_name, parameter in model.named_parameters():
        if "lora_A" in parameter_name or "lora_B" in parameter_name:
            parameter.data += 0.2 * torch.randn(parameter.shape)
    model.save_pretrained(folder / name, save_embedding_layers=False if name == "output-layer" else "auto")
    return folder / name


def make_converted(folder: Path, base: Path) -> Path:
    """A PiSSA adapter that was saved for the unchanged base, as peft's guide says."""
    torch.manual_seed(0)
    model = get_peft_model(load_base(base), LoraConfig(**(_COMMON | {"init_lora_weights": "pissa"})))
    model.peft_config["default"].init_lora_weights = True
    model.save_pretrained(folder / "initial")
    model.peft_config["default"].init_lora_weights = "pissa"
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data += 0.2 * torch.randn(parameter.shape)
    model.save_pretrained(folder / "converted", path_initial_model_for_weight_conversion=str(folder / "initial"))
    return folder / "converted"


def expected(base: Path, adapter: Path | None, *, nf4: bool = False) -> torch.Tensor:
    """Log-probabilities after IDS by transformers alone, or by peft with an adapter."""
    model = load_base(base, nf4=nf4)
    if adapter is not None:
        config = LoraConfig.from_pretrained(str(adapter))
        if nf4:  # peft cannot make some initial values from 4-bit weights; the file's replace them anyway
            config.init_lora_weights = True
        model = PeftModel.from_pretrained(model, str(adapter), config=config).eval()
    with torch.inference_mode():
        return torch.log_softmax(model(torch.tensor([IDS])).logits[0, -1].float(), dim=-1)
