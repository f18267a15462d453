"""One address before several servers, asked in turn: what a Kubernetes Service does with replicas."""

from __future__ import annotations

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["RoundRobin"]

_PASSED = ("authorization", "content-type", "accept")
_METHODS = ["GET", "POST", "DELETE"]


class RoundRobin:
    """Every request goes to the next of `targets`, whatever connection it came by. Targets may be added while it
    runs; `asked` counts each one's requests by path."""

    def __init__(self, *targets: str) -> None:
        self.targets = list(targets)
        self.asked: list[tuple[str, str]] = []
        self._turn = 0

    def app(self) -> Starlette:
        """The ASGI app."""
        return Starlette(routes=[Route("/{path:path}", self._forward, methods=_METHODS)])

    async def _forward(self, request: Request) -> Response:
        self._turn += 1
        target = self.targets[self._turn % len(self.targets)]
        self.asked.append((target, request.url.path))
        headers = {name: request.headers[name] for name in _PASSED if name in request.headers}
        async with httpx.AsyncClient(base_url=target, timeout=120) as client:
            reply = await client.request(
                request.method, request.url.path, content=await request.body(), headers=headers
            )
        return Response(reply.content, reply.status_code, media_type=reply.headers.get("content-type"))
