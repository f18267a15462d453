"""Reasons for WebShop actions, from the visible history."""

from __future__ import annotations

import pytest

from a3t_actre.environments.webshop.grammar import webshop_reason
from tests.support.shop_pages import ASKS, BARE, DEAR, MINT, RESULTS, SET, SUB, TO_ITEM, TO_RESULTS
from tests.support.shop_pages import shop_history as history


@pytest.mark.parametrize(
    ("turns", "action", "reason"),
    [
        ((), "search[non slip bar stools mint]", "I need non slip bar stools. I search for it."),
        (
            (TO_RESULTS,),
            "click[gaaaaaaaa1]",
            "GAAAAAAAA1 is Tevo Bar Stool for $45.5. It may be what I need. I open it.",
        ),
        ((TO_RESULTS,), "click[gaaaaaaaa2]", "GAAAAAAAA2 costs $99.0, more than $60.0. I try it all the same."),
        ((TO_RESULTS,), "click[next >]", "None of these is what I need. I look at the next page."),
        ((TO_RESULTS,), "search[stools]", "I have not found non slip bar stools yet. I search with other words."),
        ((TO_RESULTS, TO_ITEM), "click[mint]", "I need color mint. It is here. I choose it."),
        ((TO_RESULTS, TO_ITEM), "click[grey]", "I try something else: I choose grey."),
        ((TO_RESULTS, TO_ITEM, MINT), "click[buy now]", "I do not have size set of 2. I try to buy it all the same."),
        (
            (TO_RESULTS, TO_ITEM, MINT, SET),
            "click[buy now]",
            "I have color mint and size set of 2. The price is $45.5. I buy it.",
        ),
        ((TO_RESULTS, ("click[gaaaaaaaa2]", DEAR)), "click[< prev]", "The price is $99.0, more than $60.0. I go back."),
        ((TO_RESULTS, ("click[gaaaaaaaa1]", BARE)), "click[< prev]", "I need color mint. It is not here. I go back."),
        ((TO_RESULTS, TO_ITEM, ("click[features]", SUB)), "click[< prev]", "I have read enough. I go back."),
        (
            (TO_RESULTS, TO_ITEM),
            "click[features]",
            "The price and the options do not say everything. I read the features.",
        ),
        ((TO_RESULTS, TO_ITEM), "click[back to search]", "This does not lead to what I need. I search again."),
        ((), "open door", "I try something else: open door."),
    ],
)
def test_reasons(turns: tuple[tuple[str, str], ...], action: str, reason: str) -> None:
    assert webshop_reason(history(*turns), action) == reason


def test_options_are_forgotten_on_the_way_back() -> None:
    back = history(TO_RESULTS, TO_ITEM, MINT, SET, ("click[< prev]", RESULTS), TO_ITEM)
    assert webshop_reason(back, "click[buy now]").startswith("I do not have color mint and size set of 2.")


def test_the_rich_mode_is_read_alike() -> None:
    rich = (
        f"You have clicked mint.\nInstruction:\n{ASKS}\n[button] Back to Search [button_]\n[button] < Prev [button_]\n"
        "color\n  [clicked button] mint [clicked button_]\nsize\n  [button] set of 2 [button_]\nTevo\nPrice: $45.5\n"
        "Rating: N.A.\n[button] Description [button_]\n[button] Buy Now [button_]\n"
    )
    start = f"WebShop\nInstruction: \n{ASKS}\n[button] Search [button_]\n"
    seen = history(("search[x]", rich), first=start)
    assert webshop_reason(seen, "click[set of 2]") == "I need size set of 2. It is here. I choose it."


@pytest.mark.parametrize("first", ["", "\n", " [SEP] ", "Instruction:", "Page x", "x" * 100_000])
@pytest.mark.parametrize("action", ["click[buy now]", "search[]", "", "click[< prev]", "[" * 1000])
def test_odd_texts_get_a_reason_too(first: str, action: str) -> None:
    reason = webshop_reason(history(first=first), action)
    assert reason.endswith(".")
    assert len(reason) < 300
