"""Templates of a game's grammar with slots, as "You move the {o.name} to the {r.name}."."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from a3t_contracts.errors import InvalidInputError

__all__ = ["EXAMINE", "Phrase", "command_phrase", "feedback_phrase", "plain_text"]

EXAMINE = "#examineReceptacle.feedback#"

_COMMAND_SLOT = re.compile(r"\{(\w+)\}")
_FEEDBACK_SLOT = re.compile(r"\{(\w+)\.name\}")
_SPECIAL = re.compile(r'[;|"<>\[\]#{}\t]')


@dataclass(frozen=True, slots=True)
class Phrase:
    """A format string with slots {0}, {1} for names; `examines` says whether the contents of a receptacle follow it."""

    text: str
    examines: bool = False


def plain_text(text: str) -> str:
    """A text without slots, as the reference renders it: without leading blanks.

    Raises InvalidInputError for characters that mean something to the grammar.
    """
    text = text.replace("\\n", "\n").lstrip()
    if _SPECIAL.search(text) or text.startswith("//"):
        raise InvalidInputError(f"A text of the game's grammar has characters of its syntax: {text[:80]!r}.")
    return text


def command_phrase(template: str, variables: Sequence[str]) -> Phrase:
    """A command template such as "take {o} from {r}"."""
    return Phrase(_fill(template, _COMMAND_SLOT, variables))


def feedback_phrase(text: str, variables: Sequence[str]) -> Phrase:
    """A feedback text such as "You open the {r.name}. #examineReceptacle.feedback#"."""
    examines = text.endswith(EXAMINE)
    return Phrase(_fill(text.removesuffix(EXAMINE), _FEEDBACK_SLOT, variables), examines)


def _fill(text: str, slot: re.Pattern[str], variables: Sequence[str]) -> str:
    pieces = slot.split(text)
    result = []
    for i, piece in enumerate(pieces):
        if i % 2 == 0:
            result.append(plain_text(piece) if i == 0 else _literal(piece))
        elif piece in variables:
            result.append(f"{{{variables.index(piece)}}}")
        else:
            raise InvalidInputError(f"A text of the game's grammar uses an unknown variable: {text[:80]!r}.")
    return "".join(result)


def _literal(piece: str) -> str:
    if _SPECIAL.search(piece):
        raise InvalidInputError(f"A text of the game's grammar has characters of its syntax: {piece[:80]!r}.")
    return piece.replace("\\n", "\n")
