"""Evaluates expressions exactly: whole numbers, + - * / or the words for these signs, and parentheses."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from fractions import Fraction

__all__ = ["MOST_CHARACTERS", "ExpressionError", "evaluate", "shown"]

MOST_CHARACTERS = 200
_ALLOWED = re.compile(r"[0-9+\-*/() ]+")
_SIGNS = {"plus": "+", "minus": "-", "times": "*"}
_WORD = re.compile(rf"\b({'|'.join(_SIGNS)})\b")
_LARGEST = 10**12
_BINARY: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class ExpressionError(ValueError):
    """An expression has no value; the message says why, as the calculator shows it."""


def evaluate(text: str) -> Fraction:
    """Return the value of an expression. Time and memory are bounded for every text. Raises ExpressionError."""
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError(f"An expression has at most {MOST_CHARACTERS} characters.")
    signs = _WORD.sub(lambda word: _SIGNS[word[0]], text)
    if not _ALLOWED.fullmatch(signs):
        raise ExpressionError(
            "An action is an expression of whole numbers, + - * / and parentheses, or = and the result."
        )
    try:
        return _value(ast.parse(signs.strip(), mode="eval").body)
    except ZeroDivisionError:
        raise ExpressionError("Nothing can be divided by 0.") from None
    except (SyntaxError, MemoryError, RecursionError):  # the last two: parentheses nested too deep for Python's parser
        raise ExpressionError("That is no complete expression.") from None


def shown(value: Fraction) -> str:
    """A whole number, or a fraction such as 7/2."""
    return str(value)


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int(number)):
            return _bounded(Fraction(number))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _BINARY:
            return _bounded(_BINARY[type(operation)](_value(left), _value(right)))
    raise ExpressionError("That is no complete expression.")


def _bounded(value: Fraction) -> Fraction:
    if abs(value) > _LARGEST or value.denominator > _LARGEST:
        raise ExpressionError("The numbers are too large for the calculator.")
    return value
