"""Prompt, chosen and rejected for TRL's DPOTrainer: a success, and the agent's own failure at the same task."""

from __future__ import annotations

from a3t_contracts.schemas import Trajectory, TrajectoryKind

from ..chat import chat_of, draft_of, shared_messages
from ..columns import Row
from ..draft import Draft
from ..format import Format
from ..received import spoken
from .messages import message_column, written

__all__ = ["FORMAT"]


def _pair(chosen: Trajectory, rejected: Trajectory) -> Row:
    """Make the row of a pair. The prompt is the part that both episodes share; it ends at their first different
    action."""
    better, worse = chat_of(chosen), chat_of(rejected)
    start = shared_messages(better, worse)
    return {
        "prompt": [written(message) for message in better[:start]],
        "chosen": [written(message) for message in better[start:]],
        "rejected": [written(message) for message in worse[start:]],
        "environment": chosen.environment,
        "split": chosen.split,
        "task_id": chosen.task_id,
        "task_type": chosen.task_type,
        "run": chosen.run,
        "round": rejected.round,
        "chosen_id": chosen.id,
        "rejected_id": rejected.id,
        "chosen_reward": chosen.reward,
        "rejected_reward": rejected.reward,
    }


def _chosen(row: Row) -> Draft:
    """Return the better episode. Other projects may put the prompt into `conversations` (LLaMA-Factory), repeat it in
    `chosen` (UltraFeedback), or leave it out."""
    prompt = row.get("prompt", row.get("conversations"))
    start = spoken(prompt, "prompt", "user") if prompt else []
    better = spoken(row["chosen"], "chosen", "assistant")
    told = [(message.role, message.text) for message in start]
    if told and told == [(message.role, message.text) for message in better[: len(told)]]:
        start = []
    reward = row.get("chosen_reward")
    ours = {"id": row["chosen_id"], "kind": TrajectoryKind.demonstration, "round": 0} if "chosen_id" in row else {}
    return draft_of(start + better, row | {"reward": reward} | ours)


FORMAT = Format(
    name="dpo",
    title="prompt, chosen and rejected, for TRL's DPOTrainer: a success, and the agent's own failure at the same task",
    columns={
        "prompt": [message_column],
        "chosen": [message_column],
        "rejected": [message_column],
        "environment": "string",
        "split": "string",
        "task_id": "string",
        "task_type": "string",
        "run": "string",
        "round": "int",
        "chosen_id": "string",
        "rejected_id": "string",
        "chosen_reward": "float",
        "rejected_reward": "float",
    },
    pair=_pair,
    read_chosen=_chosen,
    recognises=lambda row: {"chosen", "rejected"} <= row.keys(),
)
