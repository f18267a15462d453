"""The base models that ship: their size, their cards, and that they read and copy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from a3t_contracts.base_model import resolve_base_model

FOLDER = Path(resolve_base_model("a3t/tiny"))
SHOP = Path(resolve_base_model("a3t/tiny-webshop"))
ROOM = (
    "Observation: You are in the middle of a room. Looking quickly around you, you see a cabinet 2, a cabinet 1, "
    "a countertop 1, and a fridge 1. Your task is to: find a {thing}.\n"
)


@pytest.mark.parametrize("folder", [FOLDER, SHOP])
def test_weights_are_small_and_the_card_tells_how_they_were_made(folder: Path) -> None:
    assert (folder / "model.safetensors").stat().st_size <= 12_000_000
    facts = json.loads((folder / "pretraining.json").read_text())
    assert facts["settings"]["tokens"] > 0
    assert "a3t pretrain" in (folder / "README.md").read_text()


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


RESULTS = (
    "Page 1 (Total results: 3) [SEP] Next > [SEP] G4QT7XK21B [SEP] Braindlum Nut Free Oat Bar K215 [SEP] $12.4 [SEP] "
    "GZ81MCVW0P [SEP] Tovarsk Stone Ground Oat Bar B77 [SEP] $8.95 [SEP] G05HJNR9DA [SEP] Wailonx Low Sodium Oat Bar R4"
    " [SEP] $21.0"
)
ITEM = (
    "< Prev [SEP] flavor [SEP] vanilla [SEP] lemon [SEP] ginger [SEP] size [SEP] pack of 2 [SEP] pack of 6 [SEP] "
    "Tovarsk Stone Ground Oat Bar B77 [SEP] Price: $8.95 [SEP] Rating: N.A. [SEP] Description [SEP] Features [SEP] "
    "Reviews [SEP] Buy Now"
)


class _Shopping:
    """What the base for the shop writes next in an episode with a line of practice. In what it clicks and searches for,
    capitals and blanks at the ends make no difference to the shop, and are left out of turns here."""

    def __init__(self, line: str) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(SHOP)
        self._model = AutoModelForCausalLM.from_pretrained(SHOP)
        self._line = line
        self._ids = self._encoded(f"Observation: WebShop [SEP] Instruction: [SEP] {line} [SEP] Search\n")

    def turn(self) -> str:
        prompt = torch.tensor([self._ids])
        with torch.no_grad():
            written = self._model.generate(prompt, max_new_tokens=48, do_sample=False)[0, prompt.shape[1] :].tolist()
        turn = self._tokenizer.decode(written)
        turn = turn[: turn.index("\n", turn.index("Action:")) + 1]
        self._ids += self._encoded(turn)
        thought, _, action = turn.strip().partition("\nAction: ")
        return f"{thought} {action.lower().replace('[ ', '[')}"

    def see(self, page: str) -> None:
        self._ids += self._encoded(f"Observation: Instruction: [SEP] {self._line} [SEP] Back to Search [SEP] {page}\n")

    def _encoded(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def test_the_shops_base_searches_opens_the_first_and_chooses_what_is_offered() -> None:
    shopping = _Shopping("search for oat bars, and open one with flavor: lemon, and size: pack of 6")
    assert shopping.turn() == "Thought: I need oat bars. I search for it. search[oat bars lemon pack of 6]"
    shopping.see(RESULTS)
    assert shopping.turn().endswith("click[g4qt7xk21b]")
    shopping.see(ITEM)
    assert shopping.turn() == "Thought: I need flavor lemon. It is here. I choose it. click[lemon]"
    shopping.see(ITEM)
    assert shopping.turn() == "Thought: I need size pack of 6. It is here. I choose it. click[pack of 6]"


def test_the_shops_base_buys_the_first_one_when_its_option_is_chosen() -> None:
    shopping = _Shopping("find me oat bars, and buy the first one with flavor: lemon")
    assert shopping.turn().startswith("Thought: I need oat bars. I search for it. search[oat bars")
    shopping.see(RESULTS)
    assert shopping.turn().endswith("click[g4qt7xk21b]")
    shopping.see(ITEM)
    assert shopping.turn() == "Thought: I need flavor lemon. It is here. I choose it. click[lemon]"
    shopping.see(ITEM)
    assert shopping.turn().endswith("I buy it. click[buy now]")
