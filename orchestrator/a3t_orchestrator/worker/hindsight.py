"""Hindsight: the beginning of a failed composed episode that solved another task, told anew as a success of that task.

The environment says which tasks an episode solved. The actions are played again in a session of such a task, so that
observations, reward and success are its own; the thoughts are left behind and written by ActRe for the new task.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial

from a3t_contracts.logging import get_logger
from a3t_contracts.schemas import (
    HindsightRequest,
    ReachedTask,
    ReasonBy,
    SessionCreate,
    SessionInfo,
    Step,
    StepResult,
    StopReason,
    Trajectory,
    TrajectoryKind,
    trajectory_id,
)
from a3t_contracts.tracing import origin_here

from ..gateway import Gateway
from .plan import EpisodePlan
from .reasons import annotated_steps
from .runner import session_of, with_restarts

__all__ = ["hindsight_of"]

log = get_logger(__name__)


async def hindsight_of(plan: EpisodePlan, episode: Trajectory, gateway: Gateway) -> Trajectory | None:
    """The success that a failed episode becomes at the first task that it solved; None where it solved none.

    Its id follows from that of the episode: the task's id begins with the id of the task that was played, and the
    sample is the same. Turns without an action are left out: there is nothing to explain or to imitate in them.
    """
    acted = [step for step in episode.steps if step.action.strip()]
    if episode.success or not acted:
        return None
    request = HindsightRequest(
        environment=plan.environment,
        task_id=plan.task_id,
        actions=[step.action for step in acted],
        seed=plan.seed,
        options=plan.options,
    )
    for reached in await gateway.patient(lambda: gateway.env.hindsight(request)):
        if reached.task.id.rpartition("@")[0] != plan.task_id:
            log.warning("hindsight.other_world", task=plan.task_id, reached=reached.task.id)
            continue
        found = await with_restarts(partial(_played_again, plan, episode, acted, reached, gateway), gateway)
        return None if found is None else await _explained(found, plan, gateway)
    return None


async def _played_again(
    plan: EpisodePlan, episode: Trajectory, acted: list[Step], reached: ReachedTask, gateway: Gateway
) -> Trajectory | None:
    """The episode's actions in a session of the task, without thoughts; None where they do not solve it there."""
    request = SessionCreate(
        environment=plan.environment,
        task_id=reached.task.id,
        engine=reached.engine,
        seed=plan.seed,
        max_steps=reached.steps,
        options=plan.options,
        origin=origin_here(),
    )
    began = time.monotonic()
    async with session_of(request, gateway) as session:
        steps, results = [], []
        seen, done = session.observation, session.done
        for index, step in enumerate(acted[: reached.steps]):
            if done:
                break
            result = await gateway.step(session.id, step.action, index)
            steps.append(_without_thought(step, index, seen, result.valid))
            results.append(result)
            seen, done = result.observation, result.done
    if not results or not results[-1].success:
        log.warning("hindsight.not_confirmed", task=plan.task_id, reached=reached.task.id)
        return None
    return _success(plan, episode, session, steps, results, time.monotonic() - began)


def _without_thought(step: Step, index: int, observation: str, valid: bool) -> Step:
    """The action as it was chosen, after what was seen before it now. The policy's text and tokens named the old task;
    they are left out with the thought."""
    left_out = {"thought": None, "purpose": None, "reason_annotator": None, "completion": None, "completion_ids": None}
    return step.model_copy(
        update=left_out
        | {"index": index, "observation": observation, "valid": valid, "reason_by": ReasonBy.none}
        | {"logprobs": None, "prompt_tokens": None, "made_up_observation": False, "seconds": {}}
    )


def _success(
    plan: EpisodePlan,
    episode: Trajectory,
    session: SessionInfo,
    steps: list[Step],
    results: list[StepResult],
    seconds: float,
) -> Trajectory:
    task, kind = session.task, TrajectoryKind.hindsight
    return Trajectory(
        id=trajectory_id(plan.run, plan.round, task.id, kind, plan.sample),
        run=plan.run,
        round=plan.round,
        environment=plan.environment,
        engine=session.engine,
        split=plan.split,
        task_id=task.id,
        task_type=task.type,
        seed=plan.seed,
        kind=kind,
        sample=plan.sample,
        policy_version=episode.policy_version,
        preamble=plan.preamble,
        multiline=session.multiline,
        prompt=plan.prompt,
        steps=steps,
        final_observation=results[-1].observation,
        reward=session.reward + sum(result.reward for result in results),
        success=True,
        stop_reason=StopReason.success,
        created_at=datetime.now(UTC),
        seconds=round(seconds, 4),
        metadata={"hindsight": {"episode": episode.id, "task_id": episode.task_id, "task_type": episode.task_type}},
    )


async def _explained(trajectory: Trajectory, plan: EpisodePlan, gateway: Gateway) -> Trajectory:
    return trajectory.model_copy(update={"steps": await annotated_steps(trajectory, gateway, plan.about, plan.example)})
