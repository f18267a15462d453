"""Which bases and parents the trainer takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from a3t_contracts.errors import InvalidInputError
from a3t_trainer.training.model import load_base
from tests.trainer.jobs_support import request


def test_a_base_of_pickles_is_not_loaded(tiny_model: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(InvalidInputError, match=r"pickle \(pytorch_model\.bin\).*safetensors files only"):
        load_base(request(str(tmp_path), "v0"))


def test_an_index_that_leads_to_pickles_is_not_followed(tiny_model: Path, tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "part.bin")
    index = {"metadata": {}, "weight_map": dict.fromkeys(model.state_dict(), "part.bin")}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InvalidInputError, match=r"part\.bin, which is not a safetensors file"):
        load_base(request(str(tmp_path), "v0"))
