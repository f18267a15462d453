"""The syntax of a game's grammar (TextWorld's .twl2): blocks of JSON rules, and actions with templates."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from a3t_contracts.errors import InvalidInputError

__all__ = ["ActionText", "Grammar", "parse_grammar"]

_TOKEN = re.compile(
    r'"""(?P<block>.*?)"""|"(?P<text>[^"]*)"|(?P<name>[\w/-]+)|(?P<mark>::|[;{}])|(?P<junk>\S)', re.DOTALL
)
_COMMENT_LINE = re.compile(r"^[^\S\n]*#.*$", re.MULTILINE)
"""Blanks without line breaks. If the pattern matched line breaks too, empty lines would take quadratic time."""

Rules = dict[str, list[dict[str, Any]]]


@dataclass(slots=True)
class ActionText:
    """The command template of an action, and its feedback."""

    template: str = ""
    feedback: str = ""


@dataclass(slots=True)
class Grammar:
    """Rules (name → alternatives) and actions (name in lower case → texts)."""

    rules: Rules = field(default_factory=dict)
    actions: dict[str, ActionText] = field(default_factory=dict)

    def first(self, name: str) -> str:
        """The text of a rule that has one unconditional alternative. Raises InvalidInputError."""
        alternatives = self.rules.get(name)
        if not alternatives or alternatives[0].get("condition"):
            raise InvalidInputError(f"The game's grammar has no plain rule {name[:80]!r}.")
        return str(alternatives[0].get("rhs", ""))


def parse_grammar(text: str) -> Grammar:
    """Parse a grammar. Raises InvalidInputError, which says where it is malformed."""
    grammar = Grammar()
    tokens = _tokens(text)
    for kind, value in tokens:
        if (kind, value) == ("name", "grammar"):
            grammar.rules.update(_rules(_field(tokens)))
        elif (kind, value) == ("name", "action"):
            _action(tokens, grammar)
        else:
            raise InvalidInputError(f"The game's grammar is malformed near {value[:40]!r}.")
    return grammar


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        yield kind, match.group(kind)


def _next(tokens: Iterator[tuple[str, str]]) -> tuple[str, str]:
    token = next(tokens, None)
    if token is None:
        raise InvalidInputError("The game's grammar ends too early.")
    return token


def _field(tokens: Iterator[tuple[str, str]]) -> str:
    """The value in `:: value ;`."""
    mark, (kind, value), end = _next(tokens), _next(tokens), _next(tokens)
    if mark != ("mark", "::") or kind not in ("block", "text") or end != ("mark", ";"):
        raise InvalidInputError(f"The game's grammar is malformed near {value[:40]!r}.")
    return value


def _action(tokens: Iterator[tuple[str, str]], grammar: Grammar) -> None:
    (_, name), _ = _next(tokens), _next(tokens)
    action = ActionText()
    while (token := _next(tokens)) != ("mark", "}"):
        value = _field(tokens)
        match token:
            case ("name", "template"):
                action.template = value
            case ("name", "feedback"):
                action.feedback = value
            case ("name", "grammar"):
                grammar.rules.update(_rules(value))
            case _:
                raise InvalidInputError(f"The game's grammar has an unknown part {token[1][:40]!r} in {name[:40]!r}.")
    grammar.actions[name.lower()] = action


def _rules(block: str) -> Rules:
    try:
        rules = json.loads(_COMMENT_LINE.sub("", block))
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"A block of the game's grammar is not JSON: {str(error)[:120]}.") from error
    well_formed = isinstance(rules, dict) and all(
        isinstance(v, list) and all(isinstance(rule, dict) for rule in v) for v in rules.values()
    )
    if not well_formed:
        raise InvalidInputError("A block of the game's grammar is not an object of rule lists.")
    return dict(rules)
