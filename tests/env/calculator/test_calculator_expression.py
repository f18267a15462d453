"""What the calculator computes, and what it refuses."""

from __future__ import annotations

from fractions import Fraction

import pytest

from a3t_env.calculator.expression import MOST_CHARACTERS, ExpressionError, evaluate, shown


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7 + 12", "19"),
        ("7 plus 12 times 3 minus 1", "42"),
        ("2+3*4", "14"),
        ("(2 + 3) * 4", "20"),
        ("7 - 12", "-5"),
        ("-(3 - 5) * -2", "-4"),
        ("7 / 2", "7/2"),
        ("1 / 3 * 3", "1"),
        (" 42 ", "42"),
        ("(" * 95 + "1" + ")" * 95, "1"),
        ("-" * 100 + "1", "1"),
    ],
)
def test_values_are_exact(text: str, value: str) -> None:
    assert shown(evaluate(text)) == value
    assert evaluate(text) == Fraction(value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "whole numbers"),
        ("1.5 + 2", "whole numbers"),
        ("__import__('os')", "whole numbers"),
        ("7 plusses 12", "whole numbers"),
        ("7 +", "no complete expression"),
        ("007 + 1", "no complete expression"),
        ("2 ** 9", "no complete expression"),
        ("7 // 2", "no complete expression"),
        ("5 (3)", "no complete expression"),
        ("()", "no complete expression"),
        ("(" * MOST_CHARACTERS, "no complete expression"),
        ("1 / (3 - 3)", "divided by 0"),
        ("999999999 * 999999999", "too large"),
        ("1 / 999999999 / 999999999", "too large"),
        ("1" * MOST_CHARACTERS, "too large"),
        ("1" * (MOST_CHARACTERS + 1), f"at most {MOST_CHARACTERS}"),
    ],
)
def test_everything_else_is_refused_in_words(text: str, why: str) -> None:
    with pytest.raises(ExpressionError, match=why):
        evaluate(text)
