"""`a3t data verify alfworld`: checks that every indexed game exists, is unchanged and can be played."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from a3t_contracts.errors import InvalidInputError, NotFoundError

from ..game_file import load_game
from .store import GameStore

__all__ = ["Fault", "verify_games"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A game that cannot be played, and why."""

    id: str
    problem: str


def verify_games(store: GameStore, split: str | None = None) -> Iterator[Fault | None]:
    """Yield one value for each indexed game: None if it can be played, else its fault."""
    for entry in store.index().of(split):
        try:
            load_game(store.folder / entry.path, entry.sha256)
        except (InvalidInputError, NotFoundError) as error:
            yield Fault(entry.id, error.detail)
        else:
            yield None
