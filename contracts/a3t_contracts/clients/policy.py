"""Client of the policy service's own endpoints; for completions use any OpenAI or TGI client."""

from __future__ import annotations

from urllib.parse import quote

from ..schemas.policy import (
    ActReply,
    ActRequest,
    LiveState,
    LoadAdapter,
    ModelCard,
    ModelList,
    TokenQuery,
    TokenTexts,
)
from ..schemas.recording import EpisodeCreate, EpisodePage, EpisodeReward, RecordedEpisode, RecordedEpisodeInfo
from .base import ServiceClient

__all__ = ["PolicyClient"]


class PolicyClient(ServiceClient):
    """Calls the policy service: actions for agents, and the adapter versions that it serves."""

    service = "policy"

    async def act(self, request: ActRequest, timeout: float | None = None) -> ActReply:
        """Generate the next thought and action for each of many histories. Safe to repeat: nothing is stored."""
        return await self._call(ActReply, "POST", "/v1/act", request, idempotent=True, timeout=timeout)

    async def detokenize(self, ids: list[int], timeout: float | None = None) -> list[str]:
        """Decode each token id on its own and return the texts."""
        query = TokenQuery(ids=ids)
        return (await self._call(TokenTexts, "POST", "/v1/detokenize", query, idempotent=True, timeout=timeout)).texts

    async def models(self) -> list[ModelCard]:
        """List the base and every adapter version that a request may name as its model."""
        return (await self._call(ModelList, "GET", "/v1/models")).data

    async def load(self, request: LoadAdapter, timeout: float = 300.0) -> ModelCard:
        """Verify and load an adapter version; with `make_default` it then goes live on every replica."""
        return await self._call(ModelCard, "POST", "/v1/load_lora_adapter", request, idempotent=True, timeout=timeout)

    async def unload(self, name: str) -> None:
        """Stop serving an adapter version; requests that run on it are finished first."""
        await self._send("POST", "/v1/unload_lora_adapter", LoadAdapter(lora_name=name), idempotent=True)

    async def live(self) -> LiveState:
        """Read which version serves requests without a model, and which version the registry's live pointer names."""
        return await self._call(LiveState, "GET", "/v1/live")

    async def follow(self, timeout: float = 300.0) -> LiveState:
        """Make the service read the registry's pointer now and load the version that it names."""
        return await self._call(LiveState, "POST", "/v1/live", idempotent=True, timeout=timeout)

    async def open_episode(self, request: EpisodeCreate) -> RecordedEpisodeInfo:
        """Open an episode. Completions whose header `EPISODE_HEADER` names it are recorded."""
        return await self._call(RecordedEpisodeInfo, "POST", "/v1/episodes", request)

    async def reward_episode(self, episode: str, reward: EpisodeReward) -> RecordedEpisodeInfo:
        """Close an episode with its reward."""
        path = f"/v1/episodes/{quote(episode, safe='')}/reward"
        return await self._call(RecordedEpisodeInfo, "POST", path, reward, idempotent=True)

    async def drop_episode(self, episode: str) -> None:
        """Delete an open episode with its calls."""
        await self._send("DELETE", f"/v1/episodes/{quote(episode, safe='')}", idempotent=True)

    async def episode(self, episode: str) -> RecordedEpisode:
        """Read an episode with its calls."""
        return await self._call(RecordedEpisode, "GET", f"/v1/episodes/{quote(episode, safe='')}")

    async def closed_episodes(self, after: int = 0, limit: int = 100, **wanted: str) -> EpisodePage:
        """List closed episodes with a number above `after`, at most `limit`, without their calls. `wanted` filters by
        environment, split or run."""
        params = {"state": "closed", "after": after, "limit": limit, **wanted}
        return await self._call(EpisodePage, "GET", "/v1/episodes", params=params)
