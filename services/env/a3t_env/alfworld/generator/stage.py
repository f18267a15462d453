"""Generates games and adds them to a data folder."""

from __future__ import annotations

from pathlib import Path

from ..data.store import GAME_FILE, TRAJECTORY_FILE, Batch, GameStore
from .generate import GeneratedGame, generate_games

__all__ = ["add_generated", "stage"]


def stage(batch: Batch, split: str, game: GeneratedGame) -> None:
    """Stage both files of a game."""
    batch.write(split, game.task, game.trial, GAME_FILE, game.game)
    batch.write(split, game.task, game.trial, TRAJECTORY_FILE, game.trajectory)


def add_generated(folder: Path, split: str, count: int, seed: int = 0) -> None:
    """Generate games into a data folder (`<A3T_HOME>/data/alfworld`). Raises what `Batch.commit` raises."""
    with GameStore(folder).batch() as batch:
        for game in generate_games(split, count, seed):
            stage(batch, split, game)
        batch.commit()
