"""AgentGym's clients, written from those of its repository (agentenv/agentenv/envs/…): what they send and read.

Its package needs a server and PyTorch packages of its own. They know a URL and nothing else: no header can be given.
"""

from __future__ import annotations

from typing import Any

import httpx

__all__ = ["BareClient", "ObjectClient"]


class ObjectClient:
    """Reads `create` as an object with `id`, as for TextCraft, BabyAI, ScienceWorld and ALFWorld."""

    key = "id"

    def __init__(self, base: str, reset_name: str = "data_idx") -> None:
        self.base, self.reset_name = base, reset_name
        self.env_id = self._made(self._checked(httpx.post(f"{base}/create")))

    def _made(self, made: Any) -> Any:
        assert isinstance(made["observation"], str)
        return made["id"]

    def post(self, path: str, data: dict[str, Any]) -> Any:
        return self._checked(httpx.post(f"{self.base}/{path}", json={**data, self.key: self.env_id}))

    def get(self, path: str) -> Any:
        return self._checked(httpx.get(f"{self.base}/{path}?{self.key}={self.env_id}"))

    def reset(self, number: int) -> Any:
        return self.post("reset", {self.reset_name: number})

    def step(self, action: str) -> Any:
        return self.post("step", {"action": action})

    @staticmethod
    def _checked(reply: httpx.Response) -> Any:
        assert reply.status_code == 200, reply.text
        return reply.json()


class BareClient(ObjectClient):
    """Reads `create` as the id, and observes by a call, as for WebShop and SQLGym."""

    key = "env_idx"

    def _made(self, made: Any) -> Any:
        return made

    def reset(self, number: int) -> Any:
        reply = self.post("reset", {self.reset_name: number})
        reply[0] = self.get("observation")
        return reply
