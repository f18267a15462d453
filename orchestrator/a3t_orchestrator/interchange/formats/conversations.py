"""AgentGym's format AgentTraj: `item_id` and `conversations`, in which every message says whether it is trained on."""

from __future__ import annotations

import zlib

from a3t_contracts.schemas import Trajectory

from ..chat import chat_of, draft_of
from ..columns import Row
from ..draft import Draft, meta_of
from ..format import Format, RowOptions
from ..meta_columns import META_COLUMNS
from ..received import received_messages

__all__ = ["FORMAT"]


def _row(trajectory: Trajectory, number: int, options: RowOptions) -> Row:
    """Make the row of an episode. AgentGym has only a human and a model, so the preamble becomes an instruction that
    the model agrees to."""
    messages = []
    for message in chat_of(trajectory):
        if message.role == "assistant":
            messages.append({"from": "gpt", "loss": message.trained, "value": message.text})
        else:
            messages.append({"from": "human", "loss": None, "value": message.text})
        if message.role == "system":
            messages.append({"from": "gpt", "loss": False, "value": "OK."})
    return {"item_id": _item_id(trajectory), "conversations": messages, **meta_of(trajectory)}


def _item_id(trajectory: Trajectory) -> str:
    """Return the task as ENVIRONMENT_NUMBER, equal for equal tasks. AgentGym groups episodes by it, and reads the
    number at its end."""
    prefix, _, number = trajectory.task_id.rpartition("_")
    if prefix == trajectory.environment and number.isascii() and number.isdecimal():
        return trajectory.task_id
    return f"{trajectory.environment}_{zlib.crc32(f'{trajectory.split}/{trajectory.task_id}'.encode())}"


def _read(row: Row) -> Draft:
    messages = received_messages(row["conversations"], "conversations")
    if row.get("kind") is not None and len(messages) > 2 and messages[1].text == "OK." and not messages[1].trained:
        messages[0].role = "system"
        del messages[1]
    return draft_of(messages, row)


FORMAT = Format(
    name="conversations",
    title="AgentGym's format AgentTraj, with `loss` for every message; write it to a .json file for AgentGym's trainer",
    columns={
        "item_id": "string",
        "conversations": [{"from": "string", "loss": "bool", "value": "string"}],
        **META_COLUMNS,
    },
    row=_row,
    read=_read,
    recognises=lambda row: "conversations" in row and "item_id" in row,
    successes_only=True,
    order=1,
)
