"""Numbered tasks, for servers that do not list their tasks and start one by its number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from a3t_contracts.schemas import Task

from .address import Split

__all__ = ["numbered_tasks", "splits_of"]


def splits_of(sizes: Mapping[str, int]) -> list[Split]:
    """Return the splits. The task numbers of each split follow those of the split before."""
    splits, first = [], 0
    for name, tasks in sizes.items():
        splits.append(Split(name, tasks, first))
        first += tasks
    return splits


def numbered_tasks(environment: str, splits: Sequence[Split], type: str) -> list[Task]:
    """Make the tasks of some splits, for instance `train-000` to `train-199` for 200 tasks of the split `train`.

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
