"""Adds games to a data folder: they are staged, checked, and then added by replacing the index.

A killed process leaves the old index with its games; the next process removes what was staged.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from a3t_contracts.errors import ConflictError, InvalidInputError
from a3t_contracts.faults import Faults
from a3t_contracts.files import sole_writer
from a3t_contracts.registry import sha256_file

from .check import Excluded, check_game
from .index import GameEntry, Index, read_index, write_index
from .subsets import paper_subsets

__all__ = ["GAME_FILE", "TRAJECTORY_FILE", "Added", "Batch", "GameStore"]

GAME_FILE, TRAJECTORY_FILE = "game.tw-pddl", "traj_data.json"
_GAMES = "games"

Progress = Callable[[int, int], None]
"""Called with the number of games checked so far, and the number of all games."""


@dataclass(slots=True)
class Added:
    """Result of adding games: numbers of new or changed games by split and of games left out by reason, and the broken
    ones.
    """

    games: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    excluded: dict[str, int] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


class GameStore:
    """The games under a data folder.

    Args:
        folder: `<A3T_HOME>/data/alfworld`; created if it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def index(self) -> Index:
        """The index of the games that were added."""
        return read_index(self.folder)

    def holds(self, entry: GameEntry) -> bool:
        """Whether the file of a game exists with the hash of the index; if not, the next import replaces it."""
        try:
            return sha256_file(self.folder / entry.path) == entry.sha256
        except OSError:
            return False

    @contextmanager
    def batch(self) -> Iterator[Batch]:
        """Open a batch to fill and commit; what is not committed is removed. Raises ConflictError while another process
        adds games.
        """
        (self.folder / _GAMES).mkdir(parents=True, exist_ok=True)
        with sole_writer(self.folder):
            self._sweep(self.index())
            folder = self.folder / _GAMES / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
            folder.mkdir()
            try:
                yield Batch(self, folder)
            finally:
                self._sweep(self.index())

    def _sweep(self, index: Index) -> None:
        """Remove batches that no entry of the index names."""
        used = {entry.path.split("/")[1] for entry in index.games.values()}
        for folder in (self.folder / _GAMES).iterdir():
            if folder.name not in used:
                shutil.rmtree(folder, ignore_errors=True)


class Batch:
    """Games that are staged one by one, and added together by `commit`."""

    def __init__(self, store: GameStore, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self.broken = Faults()
        """Files that could not be staged, and games that are not playable."""

    def write(self, split: str, task: str, trial: str, name: str, data: bytes) -> None:
        """Stage one file of a game. The caller has checked the names.

        Raises ConflictError for a game file that is staged already with other content.
        """
        target = self._folder / split / task / trial / name
        if name == GAME_FILE and target.exists() and target.read_bytes() != data:
            raise ConflictError(
                f"The sources have {split}/{task}/{trial}/{name} twice, with different content.",
                hint="Import one source after the other: the second with --split NAME (another split), or --replace.",
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def commit(self, *, replace: bool = False, skip_broken: bool = False, progress: Progress | None = None) -> Added:
        """Check every staged game, then replace the index.

        Args:
            replace: let games of one verb form take the place of games of the other.
            skip_broken: leave broken games out, and name them in the result.

        Raises:
            InvalidInputError: some games are broken (the error names all of them); nothing was added.
            ConflictError: a split would change its verb form; nothing was added.
        """
        added = Added()
        entries = self._check(added, progress)
        if self.broken and (not skip_broken or not entries):
            total = self.broken.count + len(entries) + sum(added.excluded.values())
            hint = "Nothing was added; --skip-broken adds the others." if entries else "Nothing was added."
            raise self.broken.error(f"{self.broken.count} of {total} games are broken", hint)
        added.broken = self.broken.lines()
        index = self._store.index()
        if not replace:
            _refuse_other_form(index, entries)
        for entry in entries:
            known = index.games.get(entry.id)
            if known is not None and known.sha256 == entry.sha256 and self._store.holds(known):
                added.unchanged += 1
                shutil.rmtree(self._store.folder / Path(entry.path).parent)
                continue
            index.games[entry.id] = entry
            added.games[entry.split] = added.games.get(entry.split, 0) + 1
        games = dict(sorted(index.games.items()))
        if added.games:
            write_index(self._store.folder, Index(games, paper_subsets(games.values())))
        return added

    def _check(self, added: Added, progress: Progress | None) -> list[GameEntry]:
        folders = sorted({path.parent for path in self._folder.glob("*/*/*/*")})
        entries = []
        for number, folder in enumerate(folders, 1):
            if progress is not None:
                progress(number, len(folders))
            try:
                found = check_game(folder, self._store.folder)
            except InvalidInputError as error:
                self.broken.add(error)
                shutil.rmtree(folder)
                continue
            if isinstance(found, Excluded):
                added.excluded[found.reason] = added.excluded.get(found.reason, 0) + 1
                shutil.rmtree(folder)
            else:
                entries.append(found)
        return entries


def _refuse_other_form(index: Index, entries: list[GameEntry]) -> None:
    for entry in entries:
        known = index.games.get(entry.id)
        if known is not None and known.verb_form != entry.verb_form:
            raise ConflictError(
                f"The games of {entry.split} here say {known.verb_form!r}; the new ones say {entry.verb_form!r}.",
                hint=f"Import them under another split (--split {entry.split}_{entry.verb_form}), or --replace.",
            )
