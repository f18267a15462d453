"""Practice in the household: rooms of generated games."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from a3t_contracts.react import observation_text

from .exercises import Exercise, Rooms, draw_exercise
from .practice import SCOUT, Lexicon, Practice, Weighing
from .scripts import scout
from .sequences import shuffled_names
from .settings import Environment
from .tokenizer import build_tokenizer

__all__ = ["HouseholdLexicon", "HouseholdPractice"]

_TASK = "Your task is to: "


class HouseholdPractice(Practice):
    """Exercises of the household, in the rooms of generated games."""

    environment: Environment = "alfworld"
    split = "generated_train"
    most_tasks: int | None = None

    def __init__(self) -> None:
        self._rooms = Rooms()
        self._found: list[tuple[str, dict[str, list[str]]]] = []

    @override
    def scouts(self, tasks: Sequence[str]) -> list[Exercise]:
        self._found = [(task_id, {}) for task_id in tasks]
        return [Exercise(SCOUT, "look around", scout(contents)) for _, contents in self._found]

    @override
    def scouted(self) -> None:
        for task_id, contents in self._found:
            self._rooms.add(task_id, contents)

    @override
    def draw(self, task_id: str, rng: random.Random) -> Exercise | None:
        return draw_exercise(task_id, self._rooms, rng)

    @override
    def first(self, observation: str, line: str) -> str:
        room = observation_text(observation).partition(_TASK)[0]
        return f"{room}{_TASK}{line}."

    @override
    def later(self, observation: str, line: str) -> str:
        """Return the observation unchanged, because only the first observation has a task line."""
        return observation

    @override
    def lexicon(self, corpus: Path) -> HouseholdLexicon:
        return HouseholdLexicon()

    @override
    def verb(self, action: str) -> str:
        return action.split()[0]


class HouseholdLexicon(Lexicon):
    """The household's tokenizer; it does not depend on a corpus."""

    weighing = Weighing(chance=". Next I check")

    def __init__(self) -> None:
        self.tokenizer = build_tokenizer()

    @override
    def twins(self) -> Sequence[Sequence[tuple[int, int]]]:
        return ()

    @override
    def shuffled(self, rng: random.Random) -> NDArray[np.int64]:
        return shuffled_names(self.tokenizer, rng)
