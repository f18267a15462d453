"""From completions to reasons."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a3t_actre.cleaning import UnusableReason, clean_reason

PROMPT = (
    "Observation: On the shelf 1, you see a blue vase 1, a red vase 2, a green mug 3, a yellow pen 4, and a pan 1.\n"
    "Action: go to shelf 2\nReason for the action:"
)


def clean(text: str, *, whole: bool = True, max_words: int = 30) -> str:
    return clean_reason(text, action="go to shelf 2", prompt=PROMPT, whole=whole, max_words=max_words)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (" I look for a mug.", "I look for a mug."),
        ("\nI look for\na mug.\n", "I look for a mug."),
        ('"I look for a mug."', "I look for a mug."),
        ("[I look for a mug.]", "I look for a mug."),
        ("**I look for a mug.**", "I look for a mug."),
        ("Reason for the action: I look for a mug.", "I look for a mug."),
        ("Thought: I look for a mug.", "I look for a mug."),
        ("I look for a mug.\nAction: open shelf 2", "I look for a mug."),
        ("I look for a mug. Action: open shelf 2", "I look for a mug."),
        ("I look for a mug.\nObservation: You arrive.\nAction: take", "I look for a mug."),
        ("I look for a mug.\n\nThe next episode begins.", "I look for a mug."),
        ("I look for a mug. User: now what", "I look for a mug."),
        ("I saw a mug on shelf 2 (with a plant", "I saw a mug on shelf 2 (with a plant"),
    ],
)
def test_what_stands_around_a_reason_is_taken_off(written: str, kept: str) -> None:
    assert clean(written) == kept


@pytest.mark.parametrize(
    ("written", "cause"),
    [
        ("", "empty"),
        ("  \n ", "empty"),
        ("...", "empty"),
        ("42", "empty"),
        ("Action: open shelf 2", "leak"),
        ("Observation: You arrive at shelf 2.", "leak"),
        ("go to shelf 2", "leak"),
        ("Go to shelf 2.", "leak"),
        ("I look \ufffd\ufffd for it", "garbled"),
        ("I look\x00 for it", "garbled"),
        ("<|im_start|> I look for it", "garbled"),
        ("I look for it and look for it and look for it and look for it", "loop"),
        ("On the shelf 1, you see a blue vase 1, a red vase 2, a green mug 3, a yellow pen 4.", "parrot"),
        ("word " * 200, "long"),
    ],
)
def test_what_is_no_reason_is_refused(written: str, cause: str) -> None:
    with pytest.raises(UnusableReason) as refused:
        clean(written)
    assert refused.value.cause == cause


def test_a_long_reason_is_cut_after_a_sentence() -> None:
    assert clean("I look for a mug. " + "It may be far away " * 3, max_words=8) == "I look for a mug."


def test_a_reason_cut_by_the_token_limit_loses_its_broken_sentence() -> None:
    assert clean("I look for a mug. It may be", whole=False) == "I look for a mug."
    with pytest.raises(UnusableReason, match="long"):
        clean("I look for a mug that may be", whole=False)


@given(st.text(max_size=400), st.booleans())
def test_what_is_kept_is_one_line_that_cannot_be_taken_for_an_action(text: str, whole: bool) -> None:
    try:
        kept = clean(text, whole=whole)
    except UnusableReason:
        return
    assert kept == " ".join(kept.split())
    assert 0 < len(kept.split()) <= 30
    assert "action:" not in kept.lower()
