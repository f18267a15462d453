"""`/v1/episodes`: records episodes of an agent outside this project, whose completions carry the header
`X-A3T-Episode`."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query, Response

from a3t_contracts.access import Role, needs
from a3t_contracts.schemas.base import MAX_INT
from a3t_contracts.schemas.recording import (
    EpisodeCreate,
    EpisodePage,
    EpisodeReward,
    EpisodeState,
    RecordedEpisode,
    RecordedEpisodeInfo,
)
from a3t_contracts.service import JsonRoute
from a3t_contracts.tracing import note_event
from a3t_contracts.tracing.genai import EVALUATION, evaluation

from .deps import EpisodesDep

__all__ = ["router"]

router = APIRouter(prefix="/v1/episodes", tags=["episodes"], route_class=JsonRoute)


@router.post("", status_code=201)
async def create(body: EpisodeCreate, episodes: EpisodesDep) -> RecordedEpisodeInfo:
    """Open an episode. Completions whose header `X-A3T-Episode` has its id are recorded until a reward closes the
    episode."""
    return await episodes.create(body)


@router.get("")
async def page(
    episodes: EpisodesDep,
    state: EpisodeState = "closed",
    environment: str | None = None,
    split: str | None = None,
    run: str | None = None,
    after: Annotated[
        int,
        Query(
            ge=0,
            le=MAX_INT,
            description="Number of the last closed episode that the client knows; the page begins after it",
        ),
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> EpisodePage:
    """List episodes without their calls: closed ones by number, open ones in the order of opening."""
    wanted = (
        info
        for info in episodes.listed(state, after)
        if environment in (None, info.environment) and split in (None, info.split) and run in (None, info.run)
    )
    found = list(islice(wanted, limit))
    last = found[-1].number if found else after
    return EpisodePage(episodes=found, next_after=last if state == "closed" else None)


@router.get("/{episode_id}")
async def get(episode_id: str, episodes: EpisodesDep) -> RecordedEpisode:
    """Read an episode with its calls: token ids of prompts and completions, log-probabilities, adapter versions."""
    return await episodes.get(episode_id)


@router.post("/{episode_id}/reward")
async def reward(episode_id: str, body: EpisodeReward, episodes: EpisodesDep) -> RecordedEpisodeInfo:
    """Close an episode with its reward. The same request again gives the same reply; another reward gives 409."""
    closed = await episodes.close(episode_id, body)
    note_event(EVALUATION, evaluation("reward", body.reward) | {"gen_ai.conversation.id": episode_id})
    return closed


@router.delete("/{episode_id}", status_code=204, **needs(Role.run))
async def drop(episode_id: str, episodes: EpisodesDep) -> Response:
    """Delete an open episode, for example after its environment failed. An unknown episode is not an error."""
    await episodes.drop(episode_id)
    return Response(status_code=204)
