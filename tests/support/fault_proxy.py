"""A proxy in front of a real HTTP server that spoils chosen replies: what networks and overloaded servers do."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Any

import httpx
from starlette.types import Receive, Scope, Send

__all__ = ["FaultProxy"]


class FaultProxy:
    """An ASGI app that forwards to `target`. Each POST takes one fault off `faults`, or gets `always`.

    Faults: "ok" forwards; an int answers that status; "hang" never answers; "cut" closes in the middle of a reply;
    "html" answers 200 with a web page; any other text takes the place of what the model wrote.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.reset()

    def reset(self) -> None:
        """No faults, and nothing seen yet."""
        self.faults: deque[int | str] = deque()
        self.always: int | str = "ok"
        self.posts: list[dict[str, Any]] = []
        """Bodies of the POSTs that came in."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        body = await _body(receive)
        fault: int | str = "ok"
        if scope["method"] == "POST":
            self.posts.append(json.loads(body))
            fault = self.faults.popleft() if self.faults else self.always
        if isinstance(fault, int):
            await _reply(send, fault, b'{"error": "injected"}')
        elif fault == "hang":
            await _until_gone(receive)
        elif fault == "cut":
            await _cut(send)
        elif fault == "html":
            await _reply(send, 200, b"<html>Welcome</html>", b"text/html")
        else:
            await self._forward(scope, body, send, None if fault == "ok" else fault)

    async def _forward(self, scope: Scope, body: bytes, send: Send, text: str | None) -> None:
        passed = {"authorization", "content-type"}
        headers = {k: v for k, v in ((k.decode(), v.decode()) for k, v in scope["headers"]) if k in passed}
        async with httpx.AsyncClient(base_url=self.target, timeout=120) as client:
            reply = await client.request(scope["method"], scope["path"], content=body, headers=headers)
        content = reply.content if text is None else _with_text(reply.json(), text)
        await _reply(send, reply.status_code, content)


def _with_text(reply: Any, text: str) -> bytes:
    """The reply of an OpenAI or TGI server with another completion in it."""
    target = reply[0] if isinstance(reply, list) else reply
    if "generated_text" in target:
        target["generated_text"] = text
    elif "text" in target["choices"][0]:
        target["choices"][0]["text"] = text
    else:
        target["choices"][0]["message"]["content"] = text
    return json.dumps(reply).encode()


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _reply(send: Send, status: int, body: bytes, kind: bytes = b"application/json") -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _cut(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
    await send({"type": "http.response.body", "body": b'{"choices": [', "more_body": True})
    raise ConnectionAbortedError("cut on purpose")


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        await asyncio.sleep(0)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        phase = (await receive())["type"]
        await send({"type": f"{phase}.complete"})
        if phase == "lifespan.shutdown":
            return
