"""Reads the training file (JSON Lines of trajectories), checks it and counts its content."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.faults import Faults
from a3t_contracts.schemas.trajectory import PromptStyle, Trajectory, TrajectoryKind

__all__ = ["TrainingData", "read_trajectories"]

_NAMED_LINES = 100
"""Largest number of bad lines in an error, because the job stores the error."""


@dataclass(slots=True)
class TrainingData:
    """The trajectories of a training file, with counts and warnings for the job's log."""

    trajectories: list[Trajectory]
    duplicates: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def prompt(self) -> PromptStyle | None:
        """How the agent read its history; None if the trajectories differ, or have prompts of another kind."""
        styles = {None if t.recorded else t.prompt for t in self.trajectories}
        return styles.pop() if len(styles) == 1 else None

    def counts(self) -> dict[str, Any]:
        """Numbers of trajectories, successes, failures and duplicates, for the manifest and the model card."""
        failures = sum(not t.success for t in self.trajectories)
        total = len(self.trajectories)
        return {
            "trajectories": total,
            "successes": total - failures,
            "failures": failures,
            "failure_share": round(failures / total, 6),
            "unpaired_failures": len(unpaired_failures(self.trajectories)),
            "duplicates": self.duplicates,
            "tasks": len({(t.environment, t.task_id) for t in self.trajectories}),
            "steps": sum(len(t.steps) for t in self.trajectories),
            "kinds": dict(Counter(str(t.kind) for t in self.trajectories)),
            "environments": dict(Counter(t.environment for t in self.trajectories)),
            "rounds": dict(Counter(str(t.round) for t in self.trajectories)),
        }


def read_trajectories(path: Path) -> TrainingData:
    """Read and check a training file (JSON Lines of trajectories). A trajectory that occurs twice counts once.

    Raises InvalidInputError, which lists the bad lines: lines that are not a trajectory, trajectories collected for
    evaluation, and different trajectories with the same id. A file without trajectories is refused, too.
    """
    data = TrainingData([])
    seen: dict[str, Trajectory] = {}
    faults, count = Faults(_NAMED_LINES), 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                count += 1
                try:
                    _add(data, seen, number, line)
                except InvalidInputError as error:
                    faults.add(error)
    if faults:
        raise faults.error(f"{faults.count} of {count} lines of the training file are bad")
    if not data.trajectories:
        raise InvalidInputError(
            "The training file has no trajectory.", hint="Upload JSON Lines: one trajectory per line."
        )
    _warn(data)
    return data


def unpaired_failures(trajectories: list[Trajectory]) -> list[Trajectory]:
    """Failures whose task has no success in the set; the method drops them (paper §3)."""
    solved = {(t.environment, t.task_id) for t in trajectories if t.success}
    return [t for t in trajectories if not t.success and (t.environment, t.task_id) not in solved]


def _add(data: TrainingData, seen: dict[str, Trajectory], number: int, line: bytes) -> None:
    trajectory = _parse(number, line)
    known = seen.get(trajectory.id)
    if known is None:
        seen[trajectory.id] = trajectory
        data.trajectories.append(trajectory)
    elif known == trajectory:
        data.duplicates += 1
    else:
        raise InvalidInputError(
            f"Line {number}: trajectory {trajectory.id} occurs in an earlier line with other content.",
            hint="Ids are unique: keep one of the two, or give it another id.",
        )


def _parse(number: int, line: bytes) -> Trajectory:
    try:
        trajectory = Trajectory.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the line"
        raise InvalidInputError(
            f"Line {number} is not a trajectory: {where}: {first['msg']}.",
            hint="Upload trajectories as `a3t trajectories export` writes them.",
        ) from error
    if trajectory.kind == TrajectoryKind.evaluation:
        raise InvalidInputError(
            f"Line {number}: trajectory {trajectory.id} was collected for evaluation, which is never trained on.",
            hint="Leave evaluation episodes out of the file.",
        )
    if not trajectory.steps:
        raise InvalidInputError(f"Line {number}: trajectory {trajectory.id} has no steps.", hint="Leave it out.")
    return trajectory


def _warn(data: TrainingData) -> None:
    unpaired = unpaired_failures(data.trajectories)
    if unpaired:
        ids = ", ".join(t.id for t in unpaired[:5])
        data.warnings.append(
            f"{len(unpaired)} failures have no success of the same task (the method leaves such failures out): {ids}"
        )
    if data.duplicates:
        data.warnings.append(f"{data.duplicates} lines repeat a trajectory; each is trained once.")
