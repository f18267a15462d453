"""The tokenizer: what goes in comes out, names are one token, the shipped files are those that the code builds."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from a3t_contracts.base_model import resolve_base_model
from a3t_pretrain.tokenizer import build_tokenizer
from a3t_pretrain.vocabulary import NUMBERS, OBJECTS, PHRASES, RECEPTACLES

TOKENIZER = build_tokenizer()


def ids(text: str) -> list[int]:
    return list(TOKENIZER(text, add_special_tokens=False)["input_ids"])


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_any_text_comes_back(text: str) -> None:
    assert TOKENIZER.decode(ids(text)) == text


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*PHRASES, *(f" {w}" for w in OBJECTS), "s", "1", "\n", " "]), max_size=12))
def test_phrases_in_any_order_come_back(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert TOKENIZER.decode(ids(text)) == text


@pytest.mark.parametrize("word", [*OBJECTS, *RECEPTACLES, *NUMBERS])
def test_every_name_and_number_is_one_token_wherever_it_stands(word: str) -> None:
    (token,) = ids(f" {word}")
    for text in (f"you see a {word} 2, and", f"Action: go to {word}\n", f" a {word}.", f"put two {word} in"):
        assert token in ids(text)


def test_longer_words_are_not_mistaken_for_names() -> None:
    assert ids(" mug")[0] not in ids(" mugshot")
    assert ids(" 1")[0] not in ids(" 123")


@pytest.mark.parametrize("action", ["move mug 2 to shelf 1", "put mug 2 in/on shelf 1"])
def test_both_wordings_of_putting_are_short(action: str) -> None:
    assert len(ids(f"Action: {action}\n")) == 7


def test_turns_are_short() -> None:
    turn = "Thought: I look for mug. Next I check shelf 3.\nAction: go to shelf 3\n"
    assert len(ids(turn)) == 9


def test_reloads_from_its_files(tmp_path: Path) -> None:
    TOKENIZER.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = "Observation: You arrive at drawer 12. The drawer 12 is closed.\n"
    assert again(text)["input_ids"] == ids(text)
    assert again.decode(ids(text)) == text


def test_the_shipped_tokenizer_is_this_one() -> None:
    shipped = AutoTokenizer.from_pretrained(resolve_base_model("a3t/tiny"))
    assert shipped.get_vocab() == TOKENIZER.get_vocab()
