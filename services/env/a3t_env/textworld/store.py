"""Adds games to the data folder. They are made in a temporary folder, then added by replacing the index."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from a3t_contracts.files import sole_writer
from a3t_contracts.registry import sha256_file

from .generate import generate_games, require_textworld, walkthrough_wins
from .index import GameEntry, Index, read_index, write_index

__all__ = ["Added", "add_games", "faults_of"]

_STAGING = ".staging"

Progress = Callable[[int, int], None]
"""Called with the number of games made so far, and the number of all games."""


@dataclass(slots=True)
class Added:
    """Result of adding games: the number of new games by split, and the number that were here already."""

    games: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0


def add_games(
    folder: Path, counts: Mapping[str, int], types: Sequence[str], seed: int, progress: Progress | None = None
) -> Added:
    """Make the games of a seed that are not here yet. If the process is killed, the old index and its games remain.

    Raises UnavailableError if textworld is not installed or makes no games, ConflictError while another process adds
    games.
    """
    require_textworld()
    folder.mkdir(parents=True, exist_ok=True)
    with sole_writer(folder):
        index = read_index(folder)
        known = {entry.id: entry for entry in index.games.values() if _fault(folder, entry) is None}
        staging = folder / _STAGING
        shutil.rmtree(staging, ignore_errors=True)
        try:
            made: list[GameEntry] = []
            for entry in generate_games(staging, counts, types, seed, known):
                made.append(entry)
                if progress is not None:
                    progress(len(made), sum(counts.values()))
            return _add_made(folder, staging, index, made, known)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def faults_of(folder: Path, split: str | None = None) -> Iterator[tuple[GameEntry, str | None]]:
    """Yield each game of the index with its fault (its files differ, or its walkthrough does not win), or None."""
    for entry in read_index(folder).of(split):
        fault = _fault(folder, entry)
        if fault is None and not walkthrough_wins(folder / entry.path, entry.walkthrough):
            fault = "Its walkthrough does not win it."
        yield entry, fault


def _add_made(
    folder: Path, staging: Path, index: Index, made: Sequence[GameEntry], known: Mapping[str, GameEntry]
) -> Added:
    added = Added()
    for entry in made:
        if entry.id in known:
            added.unchanged += 1
            continue
        target, source = folder / entry.path, staging / entry.split
        target.parent.mkdir(parents=True, exist_ok=True)
        for suffix in (".json", ".z8"):
            (source / target.name).with_suffix(suffix).replace(target.with_suffix(suffix))
        index.games[entry.id] = entry
        added.games[entry.split] = added.games.get(entry.split, 0) + 1
    if added.games:
        write_index(folder, index)
    return added


def _fault(folder: Path, entry: GameEntry) -> str | None:
    story = folder / entry.path
    for path, wanted in ((story, entry.sha256), (story.with_suffix(".json"), entry.facts_sha256)):
        try:
            if sha256_file(path) != wanted:
                return f"{path.name} has changed."
        except OSError as error:
            return f"{path.name} cannot be read: {error.strerror}."
    return None
