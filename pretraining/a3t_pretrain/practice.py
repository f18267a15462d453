"""What differs between environments in pretraining: exercises (`Practice`) and vocabulary (`Lexicon`)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from .exercises import Exercise
from .settings import Environment

__all__ = ["SCOUT", "Lexicon", "Practice", "Weighing"]

SCOUT = "scout"
"""Kind of the exercises that look around before any other is drawn."""


@dataclass(frozen=True, slots=True)
class Weighing:
    """How much predicting a token counts. `chance`: what stands before words that are drawn at random in part."""

    observation: float = 0.1
    most_observed: int = 1 << 30
    """Longer observations do not count."""
    chance: str = ""
    most_tokens: int = 1200
    """Longer exercises are left out."""


class Lexicon(Protocol):
    """A tokenizer, and what is known of its tokens."""

    tokenizer: PreTrainedTokenizerBase
    weighing: Weighing

    def twins(self) -> Sequence[Sequence[tuple[int, int]]]:
        """Groups of tokens that spell the same word: (id, form), forms 0 to 3 by leading space and capital."""

    def shuffled(self, rng: random.Random) -> NDArray[np.int64]:
        """A table id → id that permutes names."""


class Practice(Protocol):
    """The exercises of an environment. `scouts` and `scouted` come first, then `draw` as often as needed."""

    environment: Environment
    split: str
    most_tasks: int | None
    """Only the first tasks of the split lend their places; None: all."""

    def scouts(self, tasks: Sequence[str]) -> list[Exercise]:
        """An exercise of the kind SCOUT for each of some tasks."""

    def scouted(self) -> None:
        """The scouts were played."""

    def draw(self, task_id: str, rng: random.Random) -> Exercise | None:
        """An exercise in the place of a task; None where the draw does not fit there."""

    def first(self, observation: str, line: str) -> str:
        """The first observation with an exercise's task line in place of the game's."""

    def later(self, observation: str, line: str) -> str:
        """Any other observation, the same way."""

    def lexicon(self, corpus: Path) -> Lexicon:
        """The tokenizer for a corpus that was written (JSONL). The same corpus gives the same ids."""

    def verb(self, action: str) -> str:
        """What sort of action it is, for the card's table."""
