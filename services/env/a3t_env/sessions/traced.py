"""Trace spans of steps. In a trace, an agent's action is a tool call, and the environment is the tool."""

from __future__ import annotations

from contextlib import AbstractContextManager

from a3t_contracts.schemas import StepResult
from a3t_contracts.tracing import Span, span, tracing, with_content

from .session import Session

__all__ = ["step_span", "tell_step"]


def step_span(session: Session, action: str) -> AbstractContextManager[Span]:
    """The span of a session's next step, a child of the episode's span."""
    if not tracing():
        return span("")
    origin, environment = session.origin, session.task.environment
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": environment,
        "gen_ai.tool.type": "function",
        "gen_ai.conversation.id": origin.episode if origin is not None else session.id,
        "a3t.run": origin.run if origin is not None else None,
        "a3t.engine": session.engine,
        "a3t.task": session.task.id,
        "a3t.step": session.steps,
        "gen_ai.tool.call.arguments": action if with_content() else None,
    }
    parent = origin.traceparent if origin is not None else None
    return span(f"execute_tool {environment}", attributes, kind="server", parent=parent)


def tell_step(here: Span, result: StepResult) -> None:
    """Add the result of the step to the span."""
    if tracing():
        here.set(
            {
                "a3t.valid": result.valid,
                "a3t.done": result.done,
                "a3t.reward": result.reward,
                "gen_ai.tool.call.result": result.observation if with_content() else None,
            }
        )
