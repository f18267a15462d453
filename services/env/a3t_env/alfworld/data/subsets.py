"""Named parts of splits: the training and validation tasks of the A³T paper, as far as the paper specifies them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping

from .index import GameEntry

__all__ = ["PAPER_TRAIN", "PAPER_VALID", "paper_subsets"]

PAPER_TRAIN: Mapping[str, int] = {
    "pick_and_place_simple": 135,
    "pick_clean_then_place_in_recep": 98,
    "pick_heat_then_place_in_recep": 74,
    "pick_cool_then_place_in_recep": 92,
    "look_at_obj_in_light": 59,
    "pick_two_obj_and_place": 142,
}
"""600 of the 3,553 training tasks, counts by type as in the paper's table."""

PAPER_VALID: Mapping[str, int] = {
    "pick_and_place_simple": 12,
    "pick_clean_then_place_in_recep": 10,
    "pick_heat_then_place_in_recep": 7,
    "pick_cool_then_place_in_recep": 14,
    "look_at_obj_in_light": 8,
    "pick_two_obj_and_place": 9,
}
"""60 further training tasks."""

_SEED = "a3t paper subset"


def paper_subsets(games: Iterable[GameEntry]) -> dict[str, tuple[str, ...]]:
    """The subsets `paper_train` and `paper_valid` by name. They are disjoint, and the same for the same training games;
    empty if there are too few games.

    The paper does not name its tasks: the numbers by type are the paper's, which tasks are drawn is our choice.
    """
    by_type: dict[str, list[str]] = {task_type: [] for task_type in PAPER_TRAIN}
    for game in games:
        if game.split == "train" and game.type in by_type:
            by_type[game.type].append(game.id)
    train, valid = [], []
    for task_type, ids in by_type.items():
        wanted, held = PAPER_TRAIN[task_type], PAPER_VALID[task_type]
        if len(ids) < wanted + held:
            return {}
        drawn = random.Random(f"{_SEED} {task_type}").sample(sorted(ids), wanted + held)
        train += drawn[:wanted]
        valid += drawn[wanted:]
    return {"paper_train": tuple(sorted(train)), "paper_valid": tuple(sorted(valid))}
