"""Turns a recorded episode into a trajectory: every completion becomes a step, with the exact tokens of prompt and
completion."""

from __future__ import annotations

from dataclasses import dataclass

from a3t_contracts.react import parse_reply
from a3t_contracts.schemas import (
    ReasonBy,
    RecordedCall,
    RecordedEpisode,
    RecordedEpisodeInfo,
    Source,
    Step,
    StopReason,
    Trajectory,
    TrajectoryKind,
    trajectory_id,
)

__all__ = ["WantedEpisodes", "trajectory_of"]


@dataclass(frozen=True, slots=True)
class WantedEpisodes:
    """Which recorded episodes a phase takes.

    Args:
        splits: splits whose tasks the phase takes.
        tasks: (split, id) of the tasks that it takes; None for any.
    """

    run: str
    environment: str
    version: str
    splits: frozenset[str]
    kinds: frozenset[TrajectoryKind]
    tasks: frozenset[tuple[str, str]] | None

    def concerns(self, episode: RecordedEpisodeInfo) -> bool:
        """Return whether the episode was meant for the phase."""
        return (
            episode.environment == self.environment
            and episode.split in self.splits
            and episode.kind in self.kinds
            and episode.run in (None, self.run)
        )

    def fault(self, episode: RecordedEpisodeInfo) -> str | None:
        """Return why an episode that was meant for the phase is left out; None for one that is taken."""
        if not episode.versions:
            return "without a completion"
        if episode.versions != [self.version]:
            return "of another version"
        if self.tasks is not None and (episode.split, episode.task_id) not in self.tasks:
            return "of a task that the run does not have"
        return None


def trajectory_of(episode: RecordedEpisode, run: str, number: int, sample: int) -> Trajectory | None:
    """Return the trajectory of a closed episode in round `number`; None where the policy service does not know the
    token ids of a completion, which training needs."""
    if not all(call.completion_ids for call in episode.recorded):
        return None
    opened, closed = episode.opened_at, episode.closed_at or episode.opened_at
    success = bool(episode.success)
    return Trajectory(
        id=trajectory_id(run, number, episode.task_id, episode.kind, sample),
        run=run,
        round=number,
        environment=episode.environment,
        split=episode.split,
        task_id=episode.task_id,
        task_type=episode.task_type,
        kind=episode.kind,
        sample=sample,
        policy_version=episode.versions[0],
        multiline=True,
        steps=[_step(call) for call in episode.recorded],
        reward=episode.reward or 0.0,
        success=success,
        stop_reason=StopReason.success if success else StopReason.done,
        created_at=closed,
        seconds=round((closed - opened).total_seconds(), 4),
        metadata={"recorded": episode.id, **({"metadata": episode.metadata} if episode.metadata else {})},
    )


def _step(call: RecordedCall) -> Step:
    """Make the step of a completion. A completion without an action line is an action as a whole."""
    reply = parse_reply(call.completion)
    thought, action = (reply.thought, reply.action) if reply.action else (None, call.completion.strip())
    return Step(
        index=call.index,
        observation=call.observation,
        thought=thought,
        action=action,
        source=Source.policy,
        reason_by=ReasonBy.none if thought is None else ReasonBy.policy,
        valid=True,
        policy_version=call.model,
        completion=call.completion,
        completion_ids=call.completion_ids,
        logprobs=call.logprobs,
        prompt_tokens=len(call.prompt_ids),
        prompt_kept=call.continues,
        prompt_added=call.prompt_ids[call.continues :],
    )
