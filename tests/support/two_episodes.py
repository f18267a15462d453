"""The agent's own failure and a composed success on one task, which are alike for two steps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from a3t_contracts.schemas import (
    Proposer,
    ReasonBy,
    Source,
    Step,
    StopReason,
    Trajectory,
    TrajectoryKind,
    Trigger,
    trajectory_id,
)
from a3t_orchestrator.store import save_trajectory, set_training_members

__all__ = ["TASK", "save_two_episodes"]

TASK = "clean-soapbar-in-cabinet"
_ROOM = (
    "You are in the middle of a room. Looking quickly around you, you see a cabinet 2, a cabinet 1, a countertop 1, "
    "a sinkbasin 1 and a toilet 1. Your task is to: put a clean soapbar in cabinet."
)
_ALIKE: list[tuple[str, str, str]] = [
    (_ROOM, "I need a soapbar. It is often on a countertop.", "go to countertop 1"),
    ("You arrive at countertop 1. On the countertop 1, you see a candle 1 and a soapbar 2.", "There is a soapbar.",
     "take soapbar 2 from countertop 1"),
]  # fmt: skip
_TAKEN = "You pick up the soapbar 2 from the countertop 1."
_FAILED: list[tuple[str, str, str]] = [
    (_TAKEN, "I have it; the cabinet is next.", "go to cabinet 1"),
    ("You arrive at cabinet 1. The cabinet 1 is closed.", "It goes in here.", "put soapbar 2 in cabinet 1"),
    ("Nothing happens.", "Perhaps the other way.", "put cabinet 1 in soapbar 2"),
]
_WON: list[tuple[str, str, str]] = [
    (_TAKEN, "The soapbar must be clean first, and the sinkbasin is where things are cleaned.", "go to sinkbasin 1"),
    ("You arrive at sinkbasin 1. On the sinkbasin 1, you see nothing.", "Now I clean it.",
     "clean soapbar 2 with sinkbasin 1"),
    ("You clean the soapbar 2 using the sinkbasin 1.", "It is clean; the cabinet is next.", "go to cabinet 1"),
    ("You arrive at cabinet 1. The cabinet 1 is closed.", "I open it.", "open cabinet 1"),
    ("You open the cabinet 1. In it, you see nothing.", "I put it in.", "put soapbar 2 in cabinet 1"),
]  # fmt: skip


def save_two_episodes(session: Session, run: str, number: int = 3) -> tuple[str, str]:
    """Store both in a round of a run; their ids, that of the failure first."""
    failed = _episode(run, number, TrajectoryKind.policy, [*_ALIKE, *_FAILED], False, {})
    sampled: dict[str, Any] = {
        "source": Source.sampled, "trigger": Trigger.coin, "reason_by": ReasonBy.actre, "reason_annotator": "template",
        "proposed_by": Proposer.environment, "policy_action": "go to cabinet 1", "completion": None, "logprobs": None,
        "completion_ids": None,
    }  # fmt: skip
    won = _episode(run, number, TrajectoryKind.composed, [*_ALIKE, *_WON], True, {2: sampled})
    save_trajectory(session, "", failed, phase="rollout")
    save_trajectory(session, "", won, phase="compose")
    set_training_members(session, run, number, [(failed.id, False), (won.id, True)])
    return failed.id, won.id


def _episode(
    run: str,
    number: int,
    kind: TrajectoryKind,
    told: list[tuple[str, str, str]],
    success: bool,
    changes: dict[int, dict[str, Any]],
) -> Trajectory:
    steps = [_step(i, *texts, changes.get(i, {})) for i, texts in enumerate(told)]
    return Trajectory(
        id=trajectory_id(run, number, TASK, kind, 0),
        run=run,
        round=number,
        environment="household",
        engine="native",
        split="train",
        task_id=TASK,
        task_type="clean_then_place",
        kind=kind,
        policy_version=f"{run}-r{number - 1:02d}",
        steps=steps,
        final_observation="You put the soapbar 2 in the cabinet 1." if success else "Nothing happens.",
        reward=float(success),
        success=success,
        stop_reason=StopReason.success if success else StopReason.max_invalid,
        created_at=datetime.now(UTC),
        seconds=sum(sum(s.seconds.values()) for s in steps),
    )


def _step(index: int, observation: str, thought: str, action: str, changes: dict[str, Any]) -> Step:
    values: dict[str, Any] = {
        "index": index, "observation": observation, "thought": thought, "action": action, "source": Source.policy,
        "reason_by": ReasonBy.policy, "valid": not action.startswith("put cabinet"),
        "made_up_observation": action.startswith("put cabinet"),
        "completion": f"Thought: {thought}\nAction: {action}", "completion_ids": [198, 4000 + index, 77, 12],
        "logprobs": [-0.01, -0.9 - index / 10, -0.2, -0.003], "prompt_tokens": 150 + 60 * index,
        "seconds": {"policy": 0.4, "env": 0.02},
    }  # fmt: skip
    return Step(**(values | changes))
