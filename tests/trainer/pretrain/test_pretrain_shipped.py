"""The base model that ships: its size, its card, and that it reads and copies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from a3t_contracts.base_model import resolve_base_model

FOLDER = Path(resolve_base_model("a3t/tiny"))
ROOM = (
    "Observation: You are in the middle of a room. Looking quickly around you, you see a cabinet 2, a cabinet 1, "
    "a countertop 1, and a fridge 1. Your task is to: find a {thing}.\n"
)


def test_weights_are_small_and_the_card_tells_how_they_were_made() -> None:
    assert (FOLDER / "model.safetensors").stat().st_size <= 12_000_000
    facts = json.loads((FOLDER / "pretraining.json").read_text())
    assert facts["settings"]["tokens"] > 0
    assert "a3t pretrain" in (FOLDER / "README.md").read_text()


@pytest.mark.parametrize(("thing", "number"), [("mug", "2"), ("pan", "1"), ("kettle", "3")])
def test_it_sees_what_it_was_asked_to_find(thing: str, number: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    model = AutoModelForCausalLM.from_pretrained(FOLDER)
    text = (
        ROOM.format(thing=thing)
        + f"Thought: I look for {thing}. Next I check countertop 1.\nAction: go to countertop 1\n"
        + "Observation: You arrive at countertop 1. On the countertop 1, you see a apple 1, a pan 1, a mug 2, "
        "a kettle 3, and a spoon 2.\n"
    )
    prompt = tokenizer(text, add_special_tokens=False, return_tensors="pt")
    with torch.no_grad():
        written = model.generate(**prompt, max_new_tokens=12, do_sample=False)[0, prompt.input_ids.shape[1] :]
    thought = f"Thought: I look for {thing} {number}. It is here. I take it.\n"
    action = f"Action: take {thing} {number} from countertop 1\n"
    assert tokenizer.decode(written).startswith(thought + action)
    assert sum(p.numel() for p in model.parameters()) < 5_000_000
