"""Tasks that are only numbers: a remote that lists none makes one from each number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from a3t_contracts.schemas import Task

from .address import Split

__all__ = ["numbered_tasks", "splits_of"]


def splits_of(sizes: Mapping[str, int]) -> list[Split]:
    """Splits with the numbers of each going on after those of the one before."""
    splits, first = [], 0
    for name, tasks in sizes.items():
        splits.append(Split(name, tasks, first))
        first += tasks
    return splits


def numbered_tasks(environment: str, splits: Sequence[Split], type: str) -> list[Task]:
    """`train-000`, `train-001`, …, `train-199` for 200 tasks of the split `train`.

    `metadata` has `index`, the number in the split, and `number`, the number over all splits, both from 0.
    """
    return [
        Task(
            id=f"{split.name}-{index:03d}",
            environment=environment,
            split=split.name,
            type=type,
            metadata={"index": index, "number": split.first + index},
        )
        for split in splits
        for index in range(split.tasks)
    ]
