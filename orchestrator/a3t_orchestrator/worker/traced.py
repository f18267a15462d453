"""Makes the root spans of episodes' traces. The spans of all services for an episode lie below its root."""

from __future__ import annotations

from contextlib import AbstractContextManager

from a3t_contracts.schemas import Trajectory
from a3t_contracts.tracing import Span, span, tracing
from a3t_contracts.tracing.genai import EVALUATION, PROVIDER, evaluation

from ..store import WorkItem
from .plan import EpisodePlan

__all__ = ["annotation_span", "episode_span", "tell_episode"]


def episode_span(plan: EpisodePlan) -> AbstractContextManager[Span]:
    """Make the span of an episode, in a new trace that is linked to the queue task's trace."""
    if not tracing():
        return span("")
    attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": PROVIDER,
        "gen_ai.agent.name": plan.run,
        "gen_ai.agent.version": plan.policy_version,
        "gen_ai.request.model": plan.policy_version,
        "gen_ai.conversation.id": plan.id,
        "a3t.run": plan.run,
        "a3t.round": plan.round,
        "a3t.kind": plan.kind.value,
        "a3t.environment": plan.environment,
        "a3t.split": plan.split,
        "a3t.task": plan.task_id,
        "a3t.task_type": plan.task_type,
        "a3t.sample": plan.sample,
    }
    return span(f"invoke_agent {plan.run}", attributes, new_trace=True)


def annotation_span(item: WorkItem) -> AbstractContextManager[Span]:
    """Make the span of writing the reasons of a finished episode, in a new trace."""
    if not tracing():
        return span("")
    attributes = {
        "gen_ai.conversation.id": item.id,
        "a3t.run": item.run,
        "a3t.round": item.round,
        "a3t.task": item.task_id,
    }
    return span("annotate_episode", attributes, new_trace=True)


def tell_episode(here: Span, trajectory: Trajectory) -> None:
    """Add the outcome of the episode to its span, and its reward and success as evaluation results."""
    if not tracing():
        return
    here.set(
        {
            "gen_ai.response.model": trajectory.policy_version,
            "a3t.steps": len(trajectory.steps),
            "a3t.stop_reason": trajectory.stop_reason.value if trajectory.stop_reason else None,
        }
    )
    here.event(EVALUATION, evaluation("reward", trajectory.reward))
    here.event(EVALUATION, evaluation("success", trajectory.success, "pass" if trajectory.success else "fail"))
