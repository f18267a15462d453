"""Asks ActRe for the reasons of a finished episode, such as a demonstration."""

from __future__ import annotations

import asyncio

from a3t_contracts.react import history_of
from a3t_contracts.schemas import ReasonBy, ReasonQuery, Step, Trajectory
from a3t_contracts.tracing import origin_here

from ..gateway import Gateway

__all__ = ["annotated_steps"]


async def annotated_steps(trajectory: Trajectory, gateway: Gateway, about: str = "", example: str = "") -> list[Step]:
    """Return the steps of the trajectory, with a reason by ActRe for every action that had none.

    `about` describes the environment to ActRe, and `example` is a worked episode of it. The reasons are written in
    order, because each becomes part of the history for the next.
    """
    episode = trajectory.model_copy(update={"steps": list(trajectory.steps)})
    for index, step in enumerate(episode.steps):
        if step.thought is None:
            episode.steps[index] = await _explained(episode, index, gateway, about, example)
    return episode.steps


async def _explained(episode: Trajectory, index: int, gateway: Gateway, about: str, example: str) -> Step:
    step = episode.steps[index]
    loop = asyncio.get_running_loop()
    before = loop.time()
    history = history_of(episode, index)
    query = ReasonQuery(history=history, action=step.action, about=about, example=example, origin=origin_here())
    reason = await gateway.reason(query)
    return step.model_copy(
        update={
            "thought": reason.reason or None,
            "purpose": reason.purpose,
            "reason_by": ReasonBy.actre if reason.reason else ReasonBy.none,
            "reason_annotator": f"{reason.annotator}:{reason.model}" if reason.model else reason.annotator,
            "seconds": step.seconds | {"actre": round(loop.time() - before, 4)},
        }
    )
