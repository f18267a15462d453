"""Chats in OpenAI's format (`role`, `content`), for TRL's SFTTrainer, axolotl and chat templates."""

from __future__ import annotations

from typing import Any

from a3t_contracts.schemas import Trajectory

from ..chat import chat_of, draft_of
from ..columns import Columns, Row
from ..draft import Draft, meta_of
from ..format import Format, RowOptions
from ..message import Message
from ..meta_columns import META_COLUMNS
from ..received import received_messages

__all__ = ["FORMAT", "message_column", "written"]

message_column: Columns = {"role": "string", "content": "string"}
"""The columns of a message in columnar files."""


def written(message: Message, *, loss_flags: bool = False) -> dict[str, Any]:
    """Return a message in OpenAI's format. `loss_flags` adds `weight`, 1 or 0, to messages of the agent, as OpenAI's
    fine-tuning reads it."""
    row: dict[str, Any] = {"role": message.role, "content": message.text}
    if loss_flags and message.trained is not None:
        row["weight"] = int(message.trained)
    return row


def _row(trajectory: Trajectory, number: int, options: RowOptions) -> Row:
    messages = [written(message, loss_flags=options.loss_flags) for message in chat_of(trajectory)]
    return {"messages": messages, **meta_of(trajectory)}


def _read(row: Row) -> Draft:
    return draft_of(received_messages(row["messages"], "messages"), row)


FORMAT = Format(
    name="messages",
    title="chats with `role` and `content`, for TRL's SFTTrainer and every chat template",
    columns={"messages": [message_column], **META_COLUMNS},
    flagged_columns={"messages": [message_column | {"weight": "int"}], **META_COLUMNS},
    row=_row,
    read=_read,
    recognises=lambda row: "messages" in row,
    successes_only=True,
    order=2,
)
