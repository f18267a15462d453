"""Practice in the shop: pages of a generated catalogue."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path

from typing_extensions import override

from a3t_contracts.schemas import Trajectory

from ..exercises import Exercise
from ..practice import SCOUT, Practice
from ..settings import Environment
from .errands import Shelves, core_of, draw_shop_exercise
from .pages import instruction_in, pieces_of, with_instruction
from .scripts import scout_shop
from .tokenizer import ShopLexicon

__all__ = ["ShopPractice"]

_VALUE = re.compile(r"(?:with|and) [^:,]{1,40}: ([^,]+)")
_WORD = re.compile(r"[a-z]+")
_BUTTONS = {"buy now": "buy", "< prev": "back", "next >": "next", "back to search": "back"}


class ShopPractice(Practice):
    """Exercises of the shop, on the pages of a generated catalogue."""

    environment: Environment = "webshop"
    split = "train"
    most_tasks: int | None = 600

    def __init__(self) -> None:
        self._shelves = Shelves()

    @override
    def scouts(self, tasks: Sequence[str]) -> list[Exercise]:
        shelves = self._shelves
        return [Exercise(SCOUT, "", scout_shop(shelves.items, shelves.found, core_of)) for _ in tasks]

    def scouted(self) -> None:
        """Do nothing: scouting has filled the shelves."""

    @override
    def draw(self, task_id: str, rng: random.Random) -> Exercise | None:
        return draw_shop_exercise(self._shelves, rng)

    @override
    def first(self, observation: str, line: str) -> str:
        return self.later(observation, line)

    @override
    def later(self, observation: str, line: str) -> str:
        return with_instruction(observation, line) if line else observation

    @override
    def lexicon(self, corpus: Path) -> ShopLexicon:
        texts: set[str] = set()
        values: set[str] = set()
        with corpus.open(encoding="utf-8") as lines:
            for line in lines:
                trajectory = Trajectory.model_validate_json(line)
                for step in trajectory.steps:
                    texts.update(pieces_of(step.observation))
                for value in _VALUE.findall(instruction_in(trajectory.steps[0].observation)):
                    values.update(_WORD.findall(value))
        return ShopLexicon(texts, values)

    def verb(self, action: str) -> str:
        """search, open, buy, back, next, or choose (an option or a page about the product)."""
        name, _, argument = action.removesuffix("]").partition("[")
        if name == "search":
            return name
        named = _BUTTONS.get(argument)
        return named or ("open" if _is_product(argument) else "choose")


def _is_product(name: str) -> bool:
    return len(name) == 10 and name.isalnum() and any(c.isdigit() for c in name)
