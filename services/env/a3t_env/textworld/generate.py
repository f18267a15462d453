"""Makes games with the generators of the textworld package. The same seed makes the same games.

Two kinds of games are left out: those that differ from an earlier game only in things without importance, so that no
held-out game equals a training game; and those that their own walkthrough does not win.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from a3t_contracts.errors import UnavailableError
from a3t_contracts.registry import sha256_file

from .challenges import draw_settings
from .child import TextWorldGame
from .index import GameEntry

__all__ = ["generate_games", "require_textworld", "walkthrough_wins"]

_ATTEMPTS = 50
_SERIAL = slice(0x12, 0x18)
"""Bytes of a story file's header that hold the day of its compilation (Z-Machine Standard 1.1, section 11)."""


def require_textworld() -> None:
    """Raise UnavailableError if the package textworld is not installed."""
    try:
        import textworld.challenges  # noqa: F401
    except ImportError as error:
        raise UnavailableError(
            f"The package textworld cannot be imported: {error}.", hint="Install a3t-env[official]."
        ) from error


def generate_games(
    folder: Path, counts: Mapping[str, int], types: Sequence[str], seed: int, known: Mapping[str, GameEntry]
) -> Iterator[GameEntry]:
    """Yield the games of each split, one of each type in turn. A game takes about two seconds; known games are not made
    again.

    Args:
        folder: where story files are written; paths of the entries are under `games/`.
        counts: split → number of games.
        known: games that are here already, by id.

    Raises UnavailableError if textworld makes no game that differs from all others.
    """
    alike: set[str] = set()
    for split, count in counts.items():
        for number in range(count):
            kind = types[number % len(types)]
            entry = _new_game(folder, split, kind, f"{seed}/{split}/{kind}/{number}", alike, known)
            alike.add(entry.likeness)
            yield entry


def walkthrough_wins(story: Path, walkthrough: Sequence[str]) -> bool:
    """Whether the commands win the game and each of them is admissible at its time."""
    game = TextWorldGame()
    game.load(str(story))
    state = game.start()
    for command in walkthrough:
        if state["done"] or command not in state["actions"]:
            return False
        state = game.step(command)
    return bool(state["won"])


def _new_game(
    folder: Path, split: str, kind: str, key: str, alike: set[str], known: Mapping[str, GameEntry]
) -> GameEntry:
    for attempt in range(_ATTEMPTS):
        seed = int.from_bytes(hashlib.sha256(f"{key}/{attempt}".encode()).digest()[:4], "big") >> 1
        name = f"{kind}-{seed:08x}"
        entry = known.get(f"{split}/{name}") or _made(folder, split, kind, name, seed)
        if entry is not None and entry.likeness not in alike:
            return entry
    raise UnavailableError(f"textworld made no new {kind} game in {_ATTEMPTS} attempts.", hint="Ask for fewer games.")


def _made(folder: Path, split: str, kind: str, name: str, seed: int) -> GameEntry | None:
    """Make one game that its walkthrough wins; None if the seed gives no such game."""
    from textworld.challenges import CHALLENGES
    from textworld.generator import CouldNotCompileGameError, QuestGenerationError, compile_game
    from textworld.generator.game import GameOptions

    options = GameOptions()
    options.seeds = seed
    options.path = str(folder / split / f"{name}.z8")
    _, make, _ = CHALLENGES[f"tw-{kind}"]
    try:
        game = make(draw_settings(kind, split, seed), options)
        story = Path(compile_game(game, options))
    except QuestGenerationError:
        return None
    except CouldNotCompileGameError as error:
        raise UnavailableError(f"textworld cannot compile its games here: {error}") from error
    story.with_suffix(".ni").unlink(missing_ok=True)
    _forget_the_day(story)
    if not walkthrough_wins(story, game.walkthrough):
        return None
    return GameEntry(
        id=f"{split}/{name}",
        split=split,
        type=kind,
        path=f"games/{split}/{story.name}",
        sha256=sha256_file(story),
        facts_sha256=sha256_file(story.with_suffix(".json")),
        instruction=" ".join(game.objective.split()),
        walkthrough=tuple(game.walkthrough),
        likeness=_likeness(game),
    )


def _forget_the_day(story: Path) -> None:
    """Write zeros in place of the date, so that the same seed makes the same bytes on every day."""
    data = bytearray(story.read_bytes())
    data[_SERIAL] = b"0" * 6
    story.write_bytes(data)


def _likeness(game: Any) -> str:
    names = sorted(str(info.name) for info in game.infos.values())
    text = json.dumps([game.objective, list(game.walkthrough), names])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
