"""What a real TGI does with adapter names, over this project's own TGI endpoints: it serves the adapters that it was
started with, and answers any other `adapter_id` with the base, in silence and with status 200."""

from __future__ import annotations

import json
from collections.abc import Iterable

from starlette.types import Scope, Send

from .fault_proxy import FaultProxy

__all__ = ["LaxTGI"]


class LaxTGI(FaultProxy):
    """`target` is a policy service that holds `adapters` and serves `base`."""

    def __init__(self, target: str, base: str, adapters: Iterable[str]) -> None:
        super().__init__(target)
        self.base, self.adapters = base, set(adapters)

    async def _forward(self, scope: Scope, body: bytes, send: Send, text: str | None) -> None:
        if body:
            request = json.loads(body)
            parameters = request.setdefault("parameters", {})
            if parameters.get("adapter_id") not in self.adapters:
                parameters["adapter_id"] = self.base
            body = json.dumps(request).encode()
        await super()._forward(scope, body, send, text)
