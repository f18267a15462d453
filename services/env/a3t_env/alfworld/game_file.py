"""Reads game.tw-pddl: a JSON object with a PDDL domain, a PDDL problem and a grammar."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import orjson

from a3t_contracts.errors import InvalidInputError, UnplayableError

from .native import Asked, Game, parse_game
from .variant import Variant

__all__ = ["MAX_FILE_BYTES", "GameFile", "load_game", "read_game_file"]

MAX_FILE_BYTES = 4 * 2**20
"""Largest size of a game file in bytes. The game files of all releases are smaller than a tenth of it."""

_TEXTS = ("pddl_domain", "grammar", "pddl_problem")


@dataclass(frozen=True, slots=True)
class GameFile:
    """A game file as it is written. `solvable` is None if the file does not say."""

    domain: str
    grammar: str
    problem: str
    solvable: bool | None
    sha256: str

    def parse(self, asked: Asked | None = None) -> Game:
        """The parsed game, which asks for something else where `asked` is given. Raises InvalidInputError."""
        return parse_game(self.domain, self.grammar, self.problem, asked)


def read_game_file(data: bytes) -> GameFile:
    """Parse the bytes of a game file. Raises InvalidInputError for other content."""
    if len(data) > MAX_FILE_BYTES:
        raise InvalidInputError(f"It has {len(data)} bytes; a game file has at most {MAX_FILE_BYTES}.")
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidInputError(f"It is not JSON (truncated or damaged): {str(error)[:120]}.") from error
    if not isinstance(content, dict):
        raise InvalidInputError("It is JSON, but not a game: an object was expected.")
    for key in _TEXTS:
        if not isinstance(content.get(key), str):
            raise InvalidInputError(f"It is JSON, but not a game: {key!r} is missing or not a text.")
    solvable = content.get("solvable")
    return GameFile(
        domain=content["pddl_domain"],
        grammar=content["grammar"],
        problem=content["pddl_problem"],
        solvable=None if solvable is None else bool(solvable),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def load_game(path: Path, sha256: str | None = None, variant: Variant | None = None) -> Game:
    """Parse a game file. If the SHA-256 from the index is given, the file must have it. With a `variant`, the game asks
    for that.

    Raises UnplayableError for a file that is missing, changed or broken.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnplayableError(
            f"The game file {path} cannot be read: {error.strerror}.", hint="Import or generate the games again."
        ) from error
    try:
        if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
            raise InvalidInputError("It was changed after it was imported.")
        return read_game_file(data).parse(None if variant is None else variant.asked())
    except InvalidInputError as error:
        raise UnplayableError(
            f"The game file {path} cannot be played. {error.detail}",
            hint=error.hint or "`a3t data verify alfworld` lists such files; import or generate them again.",
        ) from error
