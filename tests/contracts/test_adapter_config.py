"""Settings of an adapter, one by one: served or neutral, or refused by name with what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from a3t_contracts.adapter_config import check_adapter_config, read_adapter_config
from a3t_contracts.errors import InvalidInputError

PLAIN: dict[str, Any] = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"]}

NEUTRAL: dict[str, Any] = {
    "unknown_of_a_later_peft": None,
    "another_unknown": False,
    "a_third": [],
    "a_fourth": {},
    "lora_bias": False,
    "bias": "none",
    "use_dora": True,
    "init_lora_weights": "eva",
    "eva_config": {"rho": 2.0},
    "qalora_group_size": 16,
    "megatron_core": "megatron.core",
    "layers_to_transform": 3,
    "rank_pattern": None,
    "alpha_pattern": {r"layers\.\d+\.q_proj": 0.5},
    "task_type": "CAUSAL_LM",
}

REFUSED: list[tuple[str, Any, str]] = [
    ("unknown_of_a_later_peft", 1, "not known here"),
    ("init_lora_weights", "corda", "path_initial_model_for_weight_conversion"),
    ("init_lora_weights", "lora_ga", "path_initial_model_for_weight_conversion"),
    ("init_lora_weights", "loftq", "LoftQ"),
    ("init_lora_weights", "later", "not known here"),
    ("target_parameters", ["experts.up"], "bare parameters"),
    ("kasa_config", {"beta": 1e-4}, "KaSA"),
    ("velora_config", {"num_groups": 64}, "VeLoRA"),
    ("monteclora_config", {"num_samples": 8}, "MonteCLoRA"),
    ("use_bdlora", {"nblocks": 2}, "block-diagonal"),
    ("arrow_config", {"top_k": 3}, "Arrow"),
    ("use_qalora", True, "QALoRA"),
    ("ensure_weight_tying", True, "tied"),
    ("megatron_config", {"a": 1}, "Megatron"),
    ("bias", "lora_only", "biases"),
    ("task_type", "SEQ_CLS", "CAUSAL_LM"),
    ("r", 0, "whole number"),
    ("r", True, "whole number"),
    ("r", 10**9, "whole number"),
    ("lora_alpha", float("inf"), "a number"),
    ("lora_alpha", None, "a number"),
    ("target_modules", None, "module names"),
    ("target_modules", [], "module names"),
    ("target_modules", "(", "regular expression"),
    ("rank_pattern", {"q_proj": -1}, "a rank"),
    ("rank_pattern", {"(": 4}, "a rank"),
    ("alpha_pattern", {"q_proj": "8"}, "a number"),
    ("use_dora", "yes", "true or false"),
    ("layers_to_transform", ["1"], "layer numbers"),
]


@pytest.mark.parametrize("name", NEUTRAL)
def test_what_is_served_or_not_set_is_taken(name: str) -> None:
    check_adapter_config(PLAIN | {name: NEUTRAL[name]}, "here")


@pytest.mark.parametrize(("name", "value", "reason"), REFUSED)
def test_everything_else_is_refused_by_name(name: str, value: Any, reason: str) -> None:
    with pytest.raises(InvalidInputError, match=f"here: {name} is ") as caught:
        check_adapter_config(PLAIN | {name: value}, "here")
    assert reason in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", "{}", json.dumps(PLAIN | {"peft_type": "IA3"}), "[" * 100_000])
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "adapter_config.json").write_text(text)
    with pytest.raises(InvalidInputError, match=r"adapter_config\.json"):
        read_adapter_config(tmp_path)
