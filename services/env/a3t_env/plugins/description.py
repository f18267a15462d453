"""Describes an environment from its class or factory: attributes, optional methods, tasks.

The description is a dict of plain values, because it crosses a pipe: the class itself stays in the child process.
"""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .results import BadResultError
from .target import where_raised

__all__ = ["EpisodeTask", "Kind", "describe", "task_for_reset"]

_METHODS = ("actions", "sample", "expert")
_TEXTS = ("about", "example", "success", "get_data")
_SPLITS = ("train", "test")
_MOST_TASKS = 200_000
_TASK_TYPE = "task"

Kind = Callable[[], Any]
"""A class without constructor arguments, or a factory. It is called once for each episode."""


class EpisodeTask(dict[str, Any]):
    """A task as `reset` gets it: a dict whose keys are also attributes. Its `str` is the task's id.

    Keys: `id`, `split` and `type`; `number`, its position in the split from 0; `seed`, a number that belongs to this
    task and is the same in every episode, for drawing the content of the task; and any further keys that `tasks` gave.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(f"the task has no {name!r}, only {', '.join(self)}") from error

    def __str__(self) -> str:
        return str(self["id"])


def task_for_reset(task: Mapping[str, Any]) -> EpisodeTask:
    """Return a task as the first argument of `reset`."""
    own = {name: task[name] for name in ("id", "split", "type", "number")}
    return EpisodeTask({"seed": zlib.crc32(task["id"].encode())} | task.get("given", {}) | own)


def describe(kind: Kind) -> dict[str, Any]:
    """Describe an environment. Raises BadResultError, in words for the author, for something that is not an
    environment.
    """
    _require_callable(kind)
    one = _instance(kind)
    try:
        for name in ("reset", "step"):
            _require_method(one, name)
        types = _types(one)
        tasks = _tasks(one, types)
        return {
            **{name: _text(one, name) for name in _TEXTS},
            "max_steps": _whole(one, "max_steps", 50, 1000),
            "success_reward": _reward(one),
            "multiline": bool(getattr(one, "multiline", False)),
            "task_types": types or list(dict.fromkeys(task["type"] for task in tasks)),
            "options": _options(one),
            "tasks": tasks,
            "has": [name for name in _METHODS if callable(getattr(one, name, None))],
            "lists_actions": bool(getattr(one, "lists_actions", False)),
        }
    except BadResultError:
        raise
    except Exception as error:
        raise BadResultError(f"its description cannot be read: {where_raised(error)}") from error
    finally:
        _close(one)


def _close(one: Any) -> None:
    close = getattr(one, "close", None)
    if not callable(close):
        return
    try:
        close()
    except Exception as error:
        raise BadResultError(f"close failed: {where_raised(error)}") from error


def _types(one: Any) -> list[str]:
    types = getattr(one, "task_types", None) or ()
    if not isinstance(types, (list, tuple)) or not all(isinstance(name, str) for name in types):
        raise BadResultError(f'task_types must be a list of texts, as in ("short", "long"), not {types!r:.80}')
    return list(types)


def _reward(one: Any) -> float:
    value = getattr(one, "success_reward", 1.0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < float("inf"):
        raise BadResultError(f"success_reward must be a finite number, not {value!r:.80}")
    return float(value)


def _instance(kind: Kind) -> Any:
    try:
        return kind()
    except Exception as error:
        raise BadResultError(
            f"it cannot be made without arguments: {where_raised(error)}. Give the constructor defaults, or name a "
            "function that returns an environment"
        ) from error


def _require_callable(kind: object) -> None:
    if not callable(kind):
        raise BadResultError(
            f"it is a {type(kind).__name__}; name a class, or a function without arguments that returns an environment"
        )


def _require_method(one: Any, name: str) -> None:
    method = getattr(one, name, None)
    wanted = "step(self, action)"
    if name == "reset":
        wanted = "reset(self, task, seed, options)" if getattr(one, "options", None) else "reset(self, task, seed)"
    if not callable(method):
        raise BadResultError(f"{type(one).__name__} has no method {wanted}")
    arguments = wanted.partition("self, ")[2].rstrip(")").split(", ")
    try:
        inspect.signature(method).bind(*arguments)
    except TypeError as error:
        raise BadResultError(f"{name} is called as {wanted}, which its definition does not allow: {error}") from error


def _tasks(one: Any, types: list[str]) -> list[dict[str, Any]]:
    splits, listing = getattr(one, "splits", None), getattr(one, "tasks", None)
    if callable(listing):
        tasks = [task for split in (splits or _SPLITS) for task in _listed(listing, str(split), types)]
    elif isinstance(splits, Mapping):
        tasks = [task for split, count in splits.items() for task in _generated(str(split), count, types)]
    else:
        raise BadResultError(
            'it has no tasks: give it `splits = {"train": 200, "test": 50}`, or a method `tasks(split)` that gives ids'
        )
    if not tasks:
        raise BadResultError("it has no tasks: its splits are empty")
    if len(tasks) > _MOST_TASKS:
        raise BadResultError(f"it has {len(tasks):,} tasks; at most {_MOST_TASKS:,} are allowed")
    seen: dict[str, str] = {}
    for task in tasks:
        if task["id"] in seen:
            raise BadResultError(f"the task {task['id']!r} exists twice ({seen[task['id']]}, {task['split']})")
        seen[task["id"]] = task["split"]
    return tasks


def _generated(split: str, count: object, types: list[str]) -> Iterable[dict[str, Any]]:
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= _MOST_TASKS:
        raise BadResultError(f"splits[{split!r}] must be the number of tasks, from 0 to {_MOST_TASKS:,}, not {count!r}")
    for number in range(count):
        kind = types[number % len(types)] if types else _TASK_TYPE
        yield {"id": f"{split}-{number:03d}", "split": split, "type": kind, "number": number}


def _listed(listing: Callable[[str], Any], split: str, types: list[str]) -> Iterable[dict[str, Any]]:
    try:
        given = listing(split)
        items = list(given) if given is not None else []
    except Exception as error:
        raise BadResultError(f"tasks({split!r}) failed: {where_raised(error)}") from error
    for number, item in enumerate(items):
        yield _listed_task(item, split, number, types[0] if types else _TASK_TYPE)


def _listed_task(item: object, split: str, number: int, kind: str) -> dict[str, Any]:
    place = f"tasks({split!r})[{number}]"
    if isinstance(item, str) and item:
        return {"id": item, "split": split, "type": kind, "number": number}
    if not isinstance(item, Mapping) or not isinstance(item.get("id"), str) or not item["id"]:
        raise BadResultError(f"{place} is {item!r:.80}; a task is an id (text), or a dict with an id")
    for name in ("type", "instruction"):
        if not isinstance(item.get(name, ""), str):
            raise BadResultError(f"{place}: {name} must be a text, not {item[name]!r:.80}")
    task = {"id": item["id"], "split": split, "type": item.get("type", kind), "number": number, "given": dict(item)}
    return task | ({"instruction": item["instruction"]} if "instruction" in item else {})


def _options(one: Any) -> dict[str, list[str]]:
    """Option → its allowed values, the default first."""
    options = getattr(one, "options", None) or {}
    if not isinstance(options, Mapping):
        raise BadResultError('options must be a dict of allowed values, as in {"size": ("small", "large")}')
    read = {str(name): [str(v) for v in values] for name, values in options.items() if not isinstance(values, str)}
    if len(read) != len(options) or not all(read.values()):
        raise BadResultError('every option needs its allowed values, as in {"size": ("small", "large")}')
    return read


def _text(one: Any, name: str) -> str:
    value = getattr(one, name, "")
    if not isinstance(value, str):
        raise BadResultError(f"{name} must be a text, not {value!r:.80}")
    return inspect.cleandoc(value) if name == "about" else value


def _whole(one: Any, name: str, default: int, most: int) -> int:
    value = getattr(one, name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise BadResultError(f"{name} must be a whole number from 1 to {most}, not {value!r:.80}")
    return value
