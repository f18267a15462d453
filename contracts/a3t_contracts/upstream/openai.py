"""HTTP transport to servers with OpenAI's API: vLLM, SGLang, llama.cpp, the policy service, OpenAI itself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

from ..errors import A3TError
from ..outbound import trace_connections
from .failures import Failures

__all__ = ["OpenAITransport"]

_TRACED = {"trace": trace_connections}


class OpenAITransport:
    """One connection pool to any number of servers. A server is named by its address, without a trailing slash.

    Args:
        failures: makes the errors to raise.
        token: bearer token for the servers; None sends none.
        timeout: seconds to wait for an answer. Waiting for a free connection has no limit of its own.
        connect: seconds to wait for a connection to open.
        connections: largest number of open connections; None for any number.
        kept: largest number of idle connections that stay open.
    """

    def __init__(
        self,
        failures: Failures,
        *,
        token: str | None,
        timeout: float,
        connect: float,
        connections: int | None,
        kept: int,
    ) -> None:
        self.failures, self.timeout = failures, timeout
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token}"} if token else None,
            timeout=httpx.Timeout(timeout, connect=connect, pool=None),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=kept),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def models(self, server: str, path: str) -> list[str]:
        """Return the ids of the models that the server lists under `path`."""
        reply = await self.json(server, "GET", path)
        try:
            return [str(entry["id"]) for entry in reply["data"]]
        except (KeyError, TypeError) as error:
            raise self.failures.strange(server, "OpenAI", reply) from error

    async def json(self, server: str, method: str, path: str, body: Any = None) -> Any:
        """Send a request and return the JSON of the reply."""
        reply = await self.send(server, method, path, body)
        try:
            return reply.json()
        except ValueError as error:
            raise self.failures.strange(server, "OpenAI", reply.text) from error

    async def send(self, server: str, method: str, path: str, body: Any = None) -> httpx.Response:
        """Send a request and return the reply. Raises the error of `failures` for any status but success."""
        try:
            reply = await self._http.request(method, server + path, json=body, extensions=_TRACED)
        except httpx.HTTPError as error:
            raise self._lost(server, error) from error
        if not reply.is_success:
            raise self.failures.refusal(server, reply.status_code, reply.content, reply.text)
        return reply

    async def events(self, server: str, path: str, body: Any) -> AsyncIterator[Any]:
        """Send a POST and yield the JSON of each server-sent event of the reply, up to `[DONE]`."""
        try:
            async with self._http.stream("POST", server + path, json=body, extensions=_TRACED) as reply:
                if not reply.is_success:
                    content = await reply.aread()
                    raise self.failures.refusal(server, reply.status_code, content, reply.text)
                async for line in reply.aiter_lines():
                    if line.startswith("data:") and line[5:].strip() != "[DONE]":
                        yield self._event(server, line[5:])
        except httpx.HTTPError as error:
            raise self._lost(server, error) from error

    def _event(self, server: str, data: str) -> Any:
        try:
            return json.loads(data)
        except ValueError as error:
            raise self.failures.strange(server, "OpenAI", data) from error

    def _lost(self, server: str, error: httpx.HTTPError) -> A3TError:
        if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
            return self.failures.no_answer(server, self.timeout)
        return self.failures.out_of_reach(server, error)
