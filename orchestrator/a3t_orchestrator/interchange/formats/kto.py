"""Prompt, completion and label for TRL's KTOTrainer: the label is true for a successful episode and false for a failed
one."""

from __future__ import annotations

from typing import Any

from a3t_contracts.schemas import Trajectory

from ..chat import chat_of, draft_of
from ..columns import Row
from ..draft import Draft, meta_of
from ..format import Format, RowOptions
from ..meta_columns import META_COLUMNS
from ..received import spoken
from .messages import message_column, written

__all__ = ["FORMAT"]


def _row(trajectory: Trajectory, number: int, options: RowOptions) -> Row:
    """Make the row of an episode. The prompt ends with the first observation; everything after it is the completion."""
    messages = [written(message) for message in chat_of(trajectory)]
    start = 1 + next((place for place, message in enumerate(messages) if message["role"] == "user"), -1)
    parts = {"prompt": messages[:start], "completion": messages[start:], "label": trajectory.success}
    return parts | meta_of(trajectory)


def _read(row: Row) -> Draft:
    messages = spoken(row["prompt"], "prompt", "user") + spoken(row["completion"], "completion", "assistant")
    return draft_of(messages, {"success": _success(row.get("label"))} | row)


def _success(label: Any) -> Any:
    """Turn a label into a boolean. Other projects write 1 and 0, or 1 and -1."""
    return label > 0 if isinstance(label, int | float) and label in (1, 0, -1) else label


FORMAT = Format(
    name="kto",
    title="prompt, completion and label (true for a success), for TRL's KTOTrainer",
    columns={"prompt": [message_column], "completion": [message_column], "label": "bool", **META_COLUMNS},
    row=_row,
    read=_read,
    recognises=lambda row: {"prompt", "completion"} <= row.keys(),
    order=4,
)
