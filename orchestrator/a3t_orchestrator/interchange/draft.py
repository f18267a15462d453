"""An episode as it was read from a file, before it has a run, a task and an id."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react import observation_text
from a3t_contracts.schemas import MAX_INT, Step, StopReason, Trajectory, TrajectoryKind

__all__ = ["META", "TASK_KEYS", "Defaults", "Draft", "meta_of", "with_outcome"]

META = (
    "id",
    "run",
    "round",
    "environment",
    "engine",
    "split",
    "task_id",
    "task_type",
    "seed",
    "kind",
    "sample",
    "policy_version",
    "reward",
    "success",
    "stop_reason",
    "final_observation",
    "created_at",
)
"""Fields of a trajectory that each of A³T's own formats stores next to the text."""

TASK_KEYS = (
    "task_id",
    "item_id",
    "game_file",
    "gamefile",
    "instance_id",
    "id",
    "session_id",
    "trajectory_id",
    "task_name",
)
"""Keys under which files name the task, the most reliable first."""
_OUTCOMES = {
    "success": ("is_success", "succeeded", "solved", "resolved", "passed", "correct", "won"),
    "reward": ("final_reward", "total_reward"),
}
"""Other names of success and reward."""
_WORDS = {"true": True, "false": False}
_LENGTHS = {"environment": 32, "engine": 64, "split": 64, "task_id": 512, "task_type": 128, "policy_version": 256}
"""Largest length of each field in the database, in characters."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """Values for records that do not have them."""

    run: str
    environment: str | None = None
    split: str = "train"
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(slots=True)
class Draft:
    """The content of a record. `meta` has the fields of a trajectory as they were read, without validation."""

    steps: list[Step]
    meta: dict[str, Any]
    preamble: str = ""
    multiline: bool = False

    def finish(self, defaults: Defaults) -> Trajectory:
        """Make the trajectory, with the id and the run of the record if it has them.

        Raises InvalidInputError that names the missing or wrong field.
        """
        if not self.steps:
            raise InvalidInputError("it has no action of an agent")
        values = {key: value for key, value in self.meta.items() if value is not None}
        environment = values.get("environment") or defaults.environment
        if environment is None:
            raise InvalidInputError("it names no environment", hint="Name it with --environment.")
        success, reward = _outcome(values)
        stop = StopReason.success if success else StopReason.done
        filled = {
            "run": defaults.run,
            "round": 0,
            "split": defaults.split,
            "kind": TrajectoryKind.demonstration,
            "stop_reason": stop,
            "created_at": defaults.created_at,
            **values,
            "id": values["id"] if isinstance(values.get("id"), str) else "",
            "environment": environment,
            "task_id": _task_name(values) or "",
            "success": success,
            "reward": reward,
            "preamble": self.preamble,
            "multiline": self.multiline,
            "steps": self.steps,
        }
        known = {name: filled[name] for name in Trajectory.model_fields if name in filled}
        try:
            trajectory = Trajectory.model_validate(known)
        except ValidationError as error:
            first = error.errors()[0]
            raise InvalidInputError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        _check(trajectory)
        return trajectory


def meta_of(trajectory: Trajectory) -> dict[str, Any]:
    """Return the fields `META` of a trajectory as JSON values. The last observation is in the form in which the agent
    would have read it."""
    values = trajectory.model_dump(mode="json", include=set(META))
    return values | {"final_observation": observation_text(trajectory.final_observation, trajectory.multiline)}


def with_outcome(row: dict[str, Any]) -> dict[str, Any]:
    """Return the record with `success` and `reward`, if it has them under other names. Values of another form are
    ignored."""
    found: dict[str, Any] = {}
    for name, others in _OUTCOMES.items():
        if row.get(name) is None:
            read, kinds = (_truth, bool) if name == "success" else (_number, (int, float))
            told = [value for other in others if isinstance(value := read(row.get(other)), kinds)]
            found |= {name: told[0]} if told else {}
    if row.get("success") is None and isinstance(row.get("label"), bool):
        found.setdefault("success", row["label"])
    return row | found


def _task_name(values: dict[str, Any]) -> str | None:
    named = (values.get(key) for key in TASK_KEYS)
    return next((str(name) for name in named if isinstance(name, (str, int)) and str(name).strip()), None)


def _outcome(values: dict[str, Any]) -> tuple[bool, float]:
    """Return success and reward. A record with neither of them counts as a demonstration that succeeded."""
    reward, success = _number(values.get("reward")), _truth(values.get("success"))
    if reward is not None and not isinstance(reward, (int, float)):
        raise InvalidInputError(f"reward: a number was expected, not {str(reward)[:40]!r}")
    if success is not None and not isinstance(success, bool):
        raise InvalidInputError(f"success: true or false was expected, not {str(success)[:40]!r}")
    if success is None:
        success = True if reward is None else reward >= 1
    try:
        return success, float(int(success) if reward is None else reward)
    except OverflowError as error:
        raise InvalidInputError("reward: the number is too large") from error


def _number(value: Any) -> Any:
    """Turn a number that is written as text into a number; other values are returned unchanged."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _truth(value: Any) -> Any:
    """Turn a word, 1 or 0 into a boolean; other values are returned unchanged."""
    if isinstance(value, str):
        return _WORDS.get(value.strip().lower(), value)
    return bool(value) if value in (0, 1) else value


def _check(trajectory: Trajectory) -> None:
    """Raise InvalidInputError for a value that the database cannot store."""
    for name, most in _LENGTHS.items():
        if len(getattr(trajectory, name) or "") > most:
            raise InvalidInputError(f"{name}: longer than {most} characters")
    for name in ("id", "run", *_LENGTHS):
        if "\0" in (getattr(trajectory, name) or ""):
            raise InvalidInputError(f"{name}: it has a NUL character (U+0000)")
    for name in ("round", "seed", "sample"):
        if not 0 <= getattr(trajectory, name) <= MAX_INT:
            raise InvalidInputError(f"{name}: not between 0 and {MAX_INT}")
    if not abs(trajectory.reward) < float("inf"):
        raise InvalidInputError("reward: not a finite number")
    try:
        trajectory.model_dump_json()
    except ValueError as error:
        raise InvalidInputError("it has half of a surrogate pair, which is no character") from error
