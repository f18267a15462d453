"""Reads a PDDL problem: declared objects, initial facts, goal."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from a3t_contracts.errors import InvalidInputError

__all__ = ["Problem", "SExpression", "parse_expression", "read_problem"]

SExpression = list["SExpression | str"]

_COMMENT = re.compile(r";[^\n]*")
_FACT = re.compile(r"\(\s*([^\s()=]+)((?:\s+[^\s()]+)*)\s*\)")
_NUMERIC = re.compile(r"\(\s*=\s*\([^()]*\)\s*[0-9.]+\s*\)")
_OBJECTS = re.compile(r"\(\s*:objects\b([^()]*)\)")
_TOKEN = re.compile(r"[()]|[^\s()]+")
_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem as written, in lower case: object → type, predicate → argument tuples, goal."""

    objects: dict[str, str]
    facts: dict[str, list[tuple[str, ...]]]
    goal: SExpression


def read_problem(text: str) -> Problem:
    """Parse a problem. Raises InvalidInputError, which says which part is malformed."""
    flat = _COMMENT.sub("", text).lower()
    head = _OBJECTS.search(flat)
    start, end = flat.find("(:init"), flat.find("(:goal")
    if head is None or start < 0 or end < start:
        raise InvalidInputError("The PDDL problem lacks its :objects, :init or :goal part.")
    objects = _objects(head.group(1))
    facts = _facts(flat[start + len("(:init") : end], objects)
    return Problem(objects, facts, _goal(flat[end:]))


def parse_expression(text: str) -> SExpression:
    """Parse the bracketed expression at the start of `text` into nested lists. The rest of the text is not read."""
    stack: list[SExpression] = []
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token == "(":  # noqa: S105
            if len(stack) > _MAX_DEPTH:
                raise InvalidInputError(f"The PDDL goal is nested deeper than {_MAX_DEPTH} brackets.")
            stack.append([])
        elif token == ")":  # noqa: S105
            done = stack.pop() if stack else []
            if not stack:
                return done
            stack[-1].append(done)
        elif stack:
            stack[-1].append(token)
    raise InvalidInputError("The PDDL goal is not closed.")


def _objects(text: str) -> dict[str, str]:
    objects: dict[str, str] = {}
    names: list[str] = []
    tokens = iter(text.split())
    for word in tokens:
        if word != "-":
            names.append(word)
            continue
        object_type = next(tokens, None)
        if object_type is None:
            break
        objects.update(dict.fromkeys(names, object_type))
        names.clear()
    if names or not objects:
        raise InvalidInputError("The PDDL problem declares objects without a type.")
    return objects


def _facts(text: str, objects: dict[str, str]) -> dict[str, list[tuple[str, ...]]]:
    if "=" in text:
        text = _NUMERIC.sub("", text)
    facts: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    used: set[str] = set()
    for name, arguments in _FACT.findall(text):
        row = tuple(arguments.split())
        facts[name].append(row)
        used.update(row)
    if _FACT.sub("", text).strip() != ")":
        raise InvalidInputError("The :init part of the PDDL problem holds something other than facts.")
    unknown = used - objects.keys()
    if unknown:
        raise InvalidInputError(f"The PDDL problem has facts about undeclared objects: {min(unknown)[:80]}.")
    return dict(facts)


def _goal(text: str) -> SExpression:
    goal = parse_expression(text)
    if len(goal) != 2 or not isinstance(goal[1], list):
        raise InvalidInputError("The PDDL goal is malformed.")
    return goal[1]
