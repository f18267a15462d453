"""Reads a game's grammar: command templates, feedback phrases, the task.

The releases differ in wording ("put X in/on Y" or "move X to Y", "You arrive at loc 12" or "at shelf 1", with or
without a help text), so wording is read from the game. How lists are made, and what `look` and `examine` report in
which case, is the same in all releases; that part is recognised by its hash, and a grammar that differs is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from a3t_contracts.byte_cache import ByteCache
from a3t_contracts.errors import InvalidInputError

from .grammar_syntax import Grammar, parse_grammar
from .phrases import Phrase, command_phrase, feedback_phrase, plain_text

__all__ = ["VerbForm", "Wording", "read_task", "read_wording"]

VerbForm = Literal["put", "move"]

_STRUCTURE_SHA256 = "746c8429beecb970baeb9a454d8920ecaad1e45d987207e353ee13ed7eb36e13"
_STRUCTURE = (
    "intro",
    "inventory.feedback",
    "examineReceptacle.feedback",
    "examineObject.feedback",
    "toggleObject.feedback",
    "look.feedback",
    "look-variations",
    "list_objects_on_the_floor",
    "list_appliances",
    "overview(o)",
    "overview(r)",
    "list_empty",
    "list_separator",
    "list_last_separator",
)
_FIXED = {
    "look": ("look", "#look.feedback#"),
    "inventory": ("inventory", "#inventory.feedback#"),
    "toggleobject": ("use {o}", "#toggleObject.feedback#"),
    "examinereceptacle": ("examine {r}", "#examineReceptacle.feedback#"),
    "examineobject": ("examine {o}", "#examineObject.feedback#"),
}
_GOTO_COMMAND = "go to [{r.name | receptacleatlocation(r:receptacle, lend:location)}]"
_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "gotolocation": ("r", "lend"),
    "openobject": ("r",),
    "closeobject": ("r",),
    "pickupobject": ("o", "r"),
    "putobject": ("o", "r"),
    "heatobject": ("o", "r"),
    "cleanobject": ("o", "r"),
    "coolobject": ("o", "r"),
    "sliceobject": ("co", "ko"),
}
_TASK = re.compile(r'("task"\s*:\s*\[\s*\{\s*"rhs"\s*:\s*)"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Wording:
    """The wording of a release. Commands and feedbacks by action name in lower case."""

    commands: Mapping[str, Phrase]
    feedbacks: Mapping[str, Phrase]
    help_text: str | None

    @property
    def verb_form(self) -> VerbForm:
        """How objects are put down: "put X in/on Y" or "move X to Y"."""
        return "put" if self.commands["putobject"].text.startswith("put ") else "move"


def read_task(grammar: str) -> tuple[str, str]:
    """Return the task line, and the grammar without it, which is the same for all games of a release.

    Raises InvalidInputError where there is none.
    """
    match = _TASK.search(grammar)
    if match is None:
        raise InvalidInputError("The game's grammar has no task.")
    try:
        task = str(json.loads(f'"{match.group(2)}"'))
    except ValueError as error:
        raise InvalidInputError("The task in the game's grammar is malformed.") from error
    return plain_text(task), grammar[: match.start(2)] + grammar[match.end(2) :]


def read_wording(grammar: str) -> Wording:
    """Read the wording of a grammar without its task. Raises InvalidInputError for one that no release has."""
    return _known.get(grammar)


def _wording(grammar: str) -> Wording:
    parsed = parse_grammar(grammar)
    _check_structure(parsed)
    commands, feedbacks = {}, {}
    for name, variables in _VARIABLES.items():
        template = _action(parsed, name, "template")
        feedbacks[name] = feedback_phrase(_feedback(parsed, name), variables)
        commands[name] = Phrase("go to {0}") if template == _GOTO_COMMAND else command_phrase(template, variables)
    help_text = plain_text(_feedback(parsed, "help")) if "help" in parsed.actions else None
    return Wording(commands, feedbacks, help_text)


_known: ByteCache[str, Wording] = ByteCache(4 * 2**20, _wording)


def structure_hash(grammar: Grammar) -> str:
    """Return a hash of the grammar rules that this engine implements in Python."""
    rules = {
        name: [[rule.get("condition", ""), rule.get("rhs", "")] for rule in grammar.rules.get(name, [])]
        for name in _STRUCTURE
    }
    fixed = {name: [_action(grammar, name, part) for part in ("template", "feedback")] for name in _FIXED}
    return hashlib.sha256(json.dumps([rules, fixed], sort_keys=True).encode()).hexdigest()


def _check_structure(grammar: Grammar) -> None:
    if structure_hash(grammar) != _STRUCTURE_SHA256:
        raise InvalidInputError(
            "The game's grammar is not that of a known ALFWorld release.", hint="Play it with the official engine."
        )


def _action(grammar: Grammar, name: str, part: Literal["template", "feedback"]) -> str:
    if name not in grammar.actions:
        raise InvalidInputError(f"The game's grammar lacks the action {name!r}.")
    return str(getattr(grammar.actions[name], part))


def _feedback(grammar: Grammar, name: str) -> str:
    text = _action(grammar, name, "feedback")
    rule = text[1:-1]
    return grammar.first(rule) if text == f"#{rule}#" and "#" not in rule else text
