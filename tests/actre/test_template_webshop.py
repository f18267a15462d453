"""Reasons for WebShop actions, from the visible history."""

from __future__ import annotations

import pytest

from a3t_actre.template.webshop import webshop_reason
from a3t_contracts.react import History, Turn

ASKS = "Find me non slip bar stools with color: mint, and size: set of 2, and price lower than 60.00 dollars"
HEAD = f"Instruction: [SEP] {ASKS} [SEP] Back to Search"
START = f"WebShop [SEP] Instruction: [SEP] {ASKS} [SEP] Search"
RESULTS = (
    f"{HEAD} [SEP] Page 1 (Total results: 2) [SEP] Next > [SEP] GAAAAAAAA1 [SEP] Tevo Bar Stool [SEP] $45.5"
    " [SEP] GAAAAAAAA2 [SEP] Luma Bar Stool [SEP] $99.0"
)
ITEM = (
    f"{HEAD} [SEP] < Prev [SEP] color [SEP] mint [SEP] grey [SEP] size [SEP] set of 2 [SEP] Tevo Bar Stool"
    " [SEP] Price: $45.5 [SEP] Rating: N.A. [SEP] Description [SEP] Features [SEP] Reviews [SEP] Buy Now"
)
DEAR = ITEM.replace("$45.5", "$99.0")
BARE = ITEM.replace("mint [SEP] ", "")
SUB = f"{HEAD} [SEP] < Prev [SEP] some text"


def history(*turns: tuple[str, str], first: str = START) -> History:
    return History(environment="webshop", observation=first, turns=[Turn(action=a, observation=o) for a, o in turns])


TO_RESULTS = ("search[bar stools]", RESULTS)
TO_ITEM = ("click[gaaaaaaaa1]", ITEM)
MINT, SET = ("click[mint]", ITEM), ("click[set of 2]", ITEM)


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


@pytest.mark.parametrize(
    ("line", "turns", "action", "reason"),
    [
        ("search for bar stools", (), "search[bar stools]", "I need bar stools. I search for it."),
        (
            "search for non slip, light bar stools, and open one with color: mint, and size: set of 2",
            (),
            "search[non slip, light bar stools]",
            "I need non slip, light bar stools. I search for it.",
        ),
        (
            "search for bar stools, and buy the first one with color: mint",
            (TO_RESULTS, TO_ITEM),
            "click[mint]",
            "I need color mint. It is here. I choose it.",
        ),
        (
            "search for bar stools, and buy Tevo Bar Stool, and price lower than 60.00 dollars",
            (TO_RESULTS, TO_ITEM),
            "click[buy now]",
            "The price is $45.5. Nothing is left to choose. I buy it.",
        ),
        (
            "search for bar stools, and read the features of Luma Bar Stool",
            (TO_RESULTS, TO_ITEM),
            "click[< prev]",
            "This is not what I need. I go back.",
        ),
    ],
)
def test_errands_of_practice(line: str, turns: tuple[tuple[str, str], ...], action: str, reason: str) -> None:
    told = [(does, page.replace(ASKS, line)) for does, page in turns]
    assert webshop_reason(history(*told, first=START.replace(ASKS, line)), action) == reason


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
