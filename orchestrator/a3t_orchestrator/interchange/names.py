"""Reads tables that map other projects' task names to task ids, for `a3t import --names`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from a3t_contracts.errors import InvalidInputError

from .columns import Row
from .sources import read_records

__all__ = ["Names", "read_names"]

_NAME_KEYS = ("item_id", "name", "id")
_MOST = 1_000_000
"""Largest number of names in one table."""


class Names:
    """A table from task name to task id."""

    def __init__(self, table: Mapping[str, str]) -> None:
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    def task_of(self, name: str, environment: str) -> str | None:
        """Return the task id of a name; None for an unknown name. A number in the table also matches
        `ENVIRONMENT_NUMBER`, which is how AgentGym names tasks."""
        found = self._table.get(name)
        prefix, _, number = name.rpartition("_")
        if found is None and prefix == environment and number.isascii() and number.isdecimal():
            found = self._table.get(str(int(number)))
        return found


def read_names(files: Iterable[Path]) -> Names:
    """Read tables from files with records (JSON Lines, an array, or one object).

    A record with `task_id` and a name (`item_id`, `name` or `id`) is one entry; if it also has a `task_type`, that is
    the folder of the task, as in AgentGym's mapping files. Any other object is a table of names and tasks. Raises
    InvalidInputError that names file, line and reason.
    """
    table: dict[str, str] = {}
    for file in files:
        for found in read_records(file):
            if found.value is None:
                raise InvalidInputError(f"{file}, {found.where}: {found.problem}")
            try:
                entries = _entries(found.value)
            except InvalidInputError as error:
                raise InvalidInputError(f"{file}, {found.where}: {error.detail}") from error
            for name, task in entries.items():
                if table.setdefault(name, task) != task:
                    raise InvalidInputError(
                        f"{file}, {found.where}: {name!r} means {task!r}, but {table[name]!r} in an earlier entry"
                    )
            if len(table) > _MOST:
                raise InvalidInputError(f"{file}: more than {_MOST} names")
    return Names(table)


def _entries(row: Row) -> dict[str, str]:
    key = next((key for key in _NAME_KEYS if key in row), None)
    if "task_id" in row and key is not None:
        task = _text(row["task_id"], "task_id")
        folder = row.get("task_type")
        return {_text(row[key], key): f"{_text(folder, 'task_type')}/{task}" if folder else task}
    return {name: _text(task, name) for name, task in row.items()}


def _text(value: Any, key: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
        raise InvalidInputError(f"{key[:80]}: the name of a task was expected, as text or a number")
    return str(value).strip()
