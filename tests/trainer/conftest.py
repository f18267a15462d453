"""What the trainer's tests share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from a3t_contracts.schemas.trajectory import (
    ReasonBy,
    Source,
    Step,
    StopReason,
    Trajectory,
    TrajectoryKind,
    trajectory_id,
)

MakeTrajectory = Callable[..., Trajectory]


def make_trajectory(
    task: str = "task-0",
    *,
    success: bool = True,
    steps: int = 3,
    sample: int = 0,
    reward: float | None = None,
    kind: TrajectoryKind = TrajectoryKind.composed,
    thought: bool = True,
    preamble: str = "",
) -> Trajectory:
    """An ALFWorld-like trajectory whose text depends on all arguments."""
    made = [
        Step(
            index=i,
            observation=f"You arrive at cabinet {i}. On the cabinet {i}, you see a mug {sample}. Your {task}.",
            thought=f"I look for a mug {i}. Next I check cabinet {i + 1}." if thought else None,
            action=f"go to cabinet {i + 1 if success else 9 - i}",
            source=Source.policy,
            reason_by=ReasonBy.policy if thought else ReasonBy.none,
            valid=True,
        )
        for i in range(steps)
    ]
    kind = kind if success or kind != TrajectoryKind.composed else TrajectoryKind.policy
    return Trajectory(
        id=trajectory_id("t", 1, task, kind, sample),
        run="t",
        round=1,
        environment="alfworld",
        split="train",
        task_id=task,
        kind=kind,
        sample=sample,
        preamble=preamble,
        steps=made,
        final_observation="You put the mug in the cabinet." if success else "Nothing happens.",
        reward=float(success) if reward is None else reward,
        success=success,
        stop_reason=StopReason.success if success else StopReason.max_steps,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def write_jsonl(path: Path, trajectories: list[Trajectory]) -> Path:
    path.write_text("".join(t.model_dump_json() + "\n" for t in trajectories))
    return path


def mixed_set(tasks: int = 6) -> list[Trajectory]:
    """Two successes a task, and a failure for every second."""
    successes = [make_trajectory(f"task-{t}", sample=s, steps=2 + (t + s) % 3) for t in range(tasks) for s in range(2)]
    failures = [make_trajectory(f"task-{t}", success=False, steps=3) for t in range(0, tasks, 2)]
    return successes + failures


@pytest.fixture(scope="session")
def mixed() -> list[Trajectory]:
    return mixed_set()
