"""Reads the results of plug-ins and remote environments into an `Outcome`, or refuses them in words for their authors.

The functions are used in the child processes of Python plug-ins, and for the replies of remote servers. They accept
these results of a step, each with the observation (text), the reward (a finite number) and whether the episode is done:

- a tuple `(observation, reward, done[, success[, valid[, actions[, info]]]])`; if the last element is a dict, it is
  `info` at any length;
- exactly `(observation, reward, terminated, truncated, info)`: five elements with a dict last are Gymnasium's;
- a dict, dataclass, named tuple or pydantic model with those names; `terminated` and `truncated` may stand in place of
`done`.

A reset returns the observation, `(observation, info)`, or a dict or object with `observation` and perhaps `actions` and
`info`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ..protocol import Outcome

__all__ = [
    "MAX_ACTION",
    "MAX_ACTIONS",
    "MAX_INFO_BYTES",
    "MAX_OBSERVATION",
    "BadResultError",
    "Reply",
    "read_action",
    "read_actions",
    "read_reset",
    "read_step",
]

MAX_OBSERVATION = 1_000_000
"""Most characters of an observation."""
MAX_ACTION = 4096
"""Most characters of an action."""
MAX_ACTIONS = 10_000
"""Most admissible actions of a state."""
MAX_INFO_BYTES = 64 * 1024
"""Most bytes of `info` as JSON."""

_TUPLE = ("observation", "reward", "done", "success", "valid", "actions", "info")
_GYMNASIUM = ("observation", "reward", "terminated", "truncated", "info")
_KNOWN = {*_TUPLE, *_GYMNASIUM}


class BadResultError(ValueError):
    """An invalid result of an environment; the message says which part is wrong and why."""


@dataclass(slots=True)
class Reply:
    """An outcome, and the admissible actions if the environment gave them."""

    outcome: Outcome
    actions: list[str] | None = None


def read_reset(value: object) -> Reply:
    """Read the result of a reset. Raises BadResultError."""
    named = _named(value)
    if named is not None:
        _refuse_unknown(named, {"observation", "actions", "info"}, "reset")
        return _reply(_observation(named.get("observation")), {}, named)
    if isinstance(value, tuple | list):
        if len(value) != 2 or not isinstance(value[1], Mapping):
            raise BadResultError(f"reset gave {_shown(value)}; it must give the observation, or (observation, info)")
        return _reply(_observation(value[0]), {}, {"info": value[1]})
    return _reply(_observation(value), {}, {})


def read_step(value: object, success_reward: float = 1.0) -> Reply:
    """Read the result of a step. If it does not say whether the task is solved, the task counts as solved when the
    episode ends and the reward of the last step is at least `success_reward`. Raises BadResultError.
    """
    named = _named(value)
    if named is None:
        named = _of_tuple(value)
    _refuse_unknown(named, _KNOWN, "step")
    for name in ("observation", "reward"):
        if name not in named:
            raise BadResultError(f"step gave no {name}: {_shown(value)}")
    reward, done = _reward(named["reward"]), _done(named, value)
    success = named.get("success")
    facts = {
        "reward": reward,
        "done": done,
        "success": done and reward >= success_reward if success is None else _flag(success, "success"),
        "valid": _flag(named["valid"], "valid") if named.get("valid") is not None else True,
    }
    return _reply(_observation(named["observation"]), facts, named)


def read_actions(value: object) -> list[str]:
    """Read the admissible actions, in their order. Raises BadResultError."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence | set | frozenset):
        raise BadResultError(f"actions must be a list of texts, not {_shown(value)}")
    if len(value) > MAX_ACTIONS:
        raise BadResultError(f"there are {len(value):,} actions; at most {MAX_ACTIONS:,} are allowed")
    return [read_action(item) for item in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)]


def read_action(value: object) -> str:
    """Read one action. Raises BadResultError."""
    text = _text(value, "an action", MAX_ACTION)
    if not text.strip():
        raise BadResultError("an action is empty")
    return text


def _of_tuple(value: object) -> dict[str, Any]:
    if not isinstance(value, tuple | list) or len(value) < 3:
        raise BadResultError(f"step gave {_shown(value)}; it must give (observation, reward, done) or more")
    if len(value) > len(_TUPLE):
        raise BadResultError(f"step gave {len(value)} values; at most {len(_TUPLE)} are allowed: {', '.join(_TUPLE)}")
    if len(value) == len(_GYMNASIUM) and isinstance(value[-1], Mapping):
        return dict(zip(_GYMNASIUM, value, strict=True))
    if len(value) > 3 and isinstance(value[-1], Mapping):
        return dict(zip(_TUPLE, value[:-1], strict=False)) | {"info": value[-1]}
    return dict(zip(_TUPLE, value, strict=False))


def _named(value: object) -> dict[str, Any] | None:
    """The parts of a value by name; None if the value does not name its parts."""
    if isinstance(value, Mapping):
        return {str(key): part for key, part in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    for method in ("_asdict", "model_dump"):
        if callable(as_dict := getattr(value, method, None)) and not isinstance(value, type):
            return dict(as_dict())
    return None


def _refuse_unknown(named: Mapping[str, Any], known: set[str], what: str) -> None:
    unknown = sorted(set(named) - known)
    if unknown:
        raise BadResultError(f"{what} gave the unknown key {unknown[0]!r}; known: {', '.join(sorted(known))}")


def _reply(observation: str, facts: dict[str, Any], named: Mapping[str, Any]) -> Reply:
    actions, info = named.get("actions"), named.get("info")
    outcome = Outcome(observation, **facts, info=_info(info) if info is not None else {})
    return Reply(outcome, read_actions(actions) if actions is not None else None)


def _observation(value: object) -> str:
    return _text(value, "the observation", MAX_OBSERVATION)


def _text(value: object, what: str, most: int) -> str:
    if not isinstance(value, str):
        raise BadResultError(f"{what} must be a text (str), not {_shown(value)}")
    if len(value) > most:
        raise BadResultError(f"{what} has {len(value):,} characters; at most {most:,} are allowed")
    if "\0" in value:
        raise BadResultError(f"{what} has a NUL character (\\0), which databases do not store")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadResultError(f"{what} is not valid Unicode: {error.reason} at character {error.start}") from error
    return str(value)


def _reward(value: object) -> float:
    if isinstance(value, str | bytes) or value is None:
        raise BadResultError(f"the reward must be a number, not {_shown(value)}")
    try:
        number = float(value)  # type: ignore[arg-type]  # numbers of other packages, too
    except (TypeError, ValueError, OverflowError) as error:
        raise BadResultError(f"the reward must be a number, not {_shown(value)}") from error
    if not math.isfinite(number):
        raise BadResultError(f"the reward is {number}; it must be finite")
    return number


def _done(named: Mapping[str, Any], value: object) -> bool:
    ends = [name for name in ("done", "terminated", "truncated") if named.get(name) is not None]
    if not {"done", "terminated"} & set(ends):
        raise BadResultError(f"step does not say whether the episode is done: {_shown(value)}")
    return any(_flag(named[name], name) for name in ends)


def _flag(value: object, what: str) -> bool:
    item = getattr(value, "item", None)  # a boolean of numpy or torch
    plain = item() if callable(item) and not isinstance(value, bool | int) else value
    if isinstance(plain, bool) or (isinstance(plain, int) and plain in (0, 1)):
        return bool(plain)
    raise BadResultError(f"{what} must be true or false, not {_shown(value)}")


def _info(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise BadResultError(f"info must be a dict, not {_shown(value)}")
    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    try:
        text = orjson.dumps(dict(value), default=lambda part: str(part)[:200], option=options)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadResultError(f"info cannot be written as JSON: {error}") from error
    if len(text) > MAX_INFO_BYTES:
        raise BadResultError(f"info has {len(text):,} bytes as JSON; at most {MAX_INFO_BYTES:,} are allowed")
    plain: dict[str, Any] = orjson.loads(text)
    return plain


def _shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text[:80]}{'…' if len(text) > 80 else ''}"
