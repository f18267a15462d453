"""The parts of pretraining that differ between environments: exercises (`Practice`) and vocabulary (`Lexicon`)."""

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
"""Kind of the exercises that explore rooms before any other exercise is drawn."""


@dataclass(frozen=True, slots=True)
class Weighing:
    """Weights of tokens in pretraining. `observation`: weight of tokens of observations; `chance`: text before words
    that are partly drawn at random.
    """

    observation: float = 0.1
    most_observed: int = 1 << 30
    """Largest number of tokens of an observation that is trained on."""
    chance: str = ""
    first_observed: bool = True
    """Whether the first observation, which has the task line, is trained on."""
    last_observation: bool = True
    """Whether the observation after the last action is a part of the sequence."""
    most_tokens: int = 1200
    """Largest number of tokens of an exercise; longer ones are left out."""


class Lexicon(Protocol):
    """A tokenizer, and properties of its tokens."""

    tokenizer: PreTrainedTokenizerBase
    weighing: Weighing

    def twins(self) -> Sequence[Sequence[tuple[int, int]]]:
        """Groups of tokens that spell the same word: (id, form), forms 0 to 3 by leading space and capital."""

    def shuffled(self, rng: random.Random) -> NDArray[np.int64]:
        """A table id → id that permutes names at random."""


class Practice(Protocol):
    """The exercises of an environment. `scouts` and `scouted` are called first, then `draw` as often as needed."""

    environment: Environment
    split: str
    most_tasks: int | None
    """Number of tasks of the split that exercises use; None: all."""

    def scouts(self, tasks: Sequence[str]) -> list[Exercise]:
        """Return an exercise of the kind SCOUT for each of these tasks."""

    def scouted(self) -> None:
        """Called after the scouting exercises were played."""

    def draw(self, task_id: str, rng: random.Random) -> Exercise | None:
        """Draw an exercise for a task; None if the draw does not fit the task."""

    def first(self, observation: str, line: str) -> str:
        """The first observation with the exercise's task line in place of the game's."""

    def later(self, observation: str, line: str) -> str:
        """Any later observation, with the task line replaced in the same way."""

    def lexicon(self, corpus: Path) -> Lexicon:
        """The tokenizer for a finished corpus (JSONL). The same corpus gives the same token ids."""

    def verb(self, action: str) -> str:
        """The kind of an action, for the table in the model card."""
