"""Action logs: the first observation, then each action with the observation after it. `a3t annotate` reads and writes
them; `a3t play --save` writes them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react import observation_text
from a3t_contracts.schemas import ReasonBy, Source, Step, Trajectory

from ..columns import Row
from ..draft import META, TASK_KEYS, Draft, meta_of
from ..format import Format, RowOptions
from ..meta_columns import META_COLUMNS

__all__ = ["FORMAT"]


def _row(trajectory: Trajectory, number: int, options: RowOptions) -> Row:
    seen = [observation_text(step.observation, trajectory.multiline) for step in trajectory.steps]
    meta = meta_of(trajectory)
    after = [*seen[1:], meta.pop("final_observation")]
    steps = [
        {"action": step.action, "observation": observation, "thought": step.thought or None}
        for step, observation in zip(trajectory.steps, after, strict=True)
    ]
    return {"observation": seen[0] if seen else after[-1], "steps": steps, **meta}


def _read(row: Row) -> Draft:
    steps = row["steps"]
    if not isinstance(steps, list):
        raise InvalidInputError("steps: a list was expected")
    seen = [_text(row, "observation", "the record")]
    seen += [_text(step, "observation", f"steps[{number}]") for number, step in enumerate(steps)]
    made = [
        Step(
            index=number,
            observation=before,
            thought=_text(step, "thought", f"steps[{number}]") or None,
            action=_text(step, "action", f"steps[{number}]"),
            source=Source.imported,
            reason_by=ReasonBy.actre if step.get("reason_annotator") else ReasonBy.policy,
            reason_annotator=step.get("reason_annotator"),
            valid=True,
        )
        for number, (step, (before, _)) in enumerate(zip(steps, pairwise(seen), strict=True))
    ]
    for step in made:
        step.reason_by = step.reason_by if step.thought else ReasonBy.none
    meta: dict[str, Any] = {key: row.get(key) for key in (*META, *TASK_KEYS)} | {"final_observation": seen[-1]}
    return Draft(made, meta, multiline=any(observation_text(text) != text for text in seen))


def _text(holder: Any, key: str, where: str) -> str:
    if not isinstance(holder, dict):
        raise InvalidInputError(f"{where}: an object was expected")
    value = holder.get(key)
    if value is None and key != "action":
        return ""
    if not isinstance(value, str):
        raise InvalidInputError(f"{where}.{key}: text was expected" if value is not None else f"{where}: no {key}")
    return value


FORMAT = Format(
    name="actions",
    title="action logs, which `a3t annotate` reads and writes",
    columns={
        "observation": "string",
        "steps": [{"action": "string", "observation": "string", "thought": "string"}],
        **{name: column for name, column in META_COLUMNS.items() if name != "final_observation"},
    },
    row=_row,
    read=_read,
    recognises=lambda row: {"observation", "steps"} <= row.keys(),
    for_training=False,
    order=5,
)
