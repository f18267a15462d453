"""ShareGPT's format (`from`, `value`), which FastChat, LLaMA-Factory, axolotl and ETO read."""

from __future__ import annotations

from a3t_contracts.schemas import Trajectory

from ..chat import chat_of, draft_of
from ..columns import Row
from ..draft import Draft, meta_of
from ..format import Format, RowOptions
from ..meta_columns import META_COLUMNS
from ..received import received_messages

__all__ = ["FORMAT"]

_NAMES = {"system": "system", "user": "human", "assistant": "gpt"}


def _row(trajectory: Trajectory, number: int, options: RowOptions) -> Row:
    messages = [{"from": _NAMES[message.role], "value": message.text} for message in chat_of(trajectory)]
    return {"conversations": messages, **meta_of(trajectory)}


def _read(row: Row) -> Draft:
    return draft_of(received_messages(row["conversations"], "conversations"), row)


FORMAT = Format(
    name="sharegpt",
    title="chats with `from` and `value`, for FastChat, LLaMA-Factory, axolotl and ETO",
    columns={"conversations": [{"from": "string", "value": "string"}], **META_COLUMNS},
    row=_row,
    read=_read,
    recognises=lambda row: "conversations" in row,
    successes_only=True,
    order=3,
)
