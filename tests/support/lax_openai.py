"""A server with OpenAI's API that lists what was loaded and then answers every `model` with the base."""

from __future__ import annotations

import json

from starlette.types import Scope, Send

from .fault_proxy import FaultProxy

__all__ = ["LaxOpenAI"]


class LaxOpenAI(FaultProxy):
    """`target` is a policy service that serves `base`."""

    def __init__(self, target: str, base: str) -> None:
        super().__init__(target)
        self.base = base

    async def _forward(self, scope: Scope, body: bytes, send: Send, text: str | None) -> None:
        if scope["path"] == "/v1/completions":
            body = json.dumps(json.loads(body) | {"model": self.base}).encode()
        await super()._forward(scope, body, send, text)
