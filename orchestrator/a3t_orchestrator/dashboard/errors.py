"""Shows errors as pages: a browser gets a problem document of the API as HTML in the style of the dashboard."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.types import Message, Send

from a3t_contracts.errors import PROBLEM_JSON

from .page import render
from .sessions import BrowserSession, Sessions

__all__ = ["ErrorPages"]


class ErrorPages:
    """Turns problem documents into HTML pages."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions

    def instead_of_problems(self, request: Request, session: BrowserSession, send: Send) -> Send:
        """Wrap `send` so that it turns problem documents into HTML, if the client accepts HTML."""
        if "text/html" not in request.headers.get("accept", ""):
            return send
        held: Message | None = None
        body = b""

        async def page(message: Message) -> None:
            nonlocal held, body
            if message["type"] == "http.response.start" and _is_problem(message):
                held = message
            elif held is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    await self._send(request, session, held, body, send)

        return page

    async def _send(self, request: Request, session: BrowserSession, head: Message, body: bytes, send: Send) -> None:
        problem = json.loads(body)
        html = render(
            "error.html",
            path=request.url.path,
            session=session,
            csrf=self.sessions.form_token(session),
            may=session.may,
            notice=None,
            problem=problem,
            status=head["status"],
        ).encode()
        kept = [(k, v) for k, v in head["headers"] if k.lower() not in (b"content-type", b"content-length")]
        new = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(html)).encode())]
        await send({**head, "headers": [*kept, *new]})
        await send({"type": "http.response.body", "body": html})


def _is_problem(message: Message) -> bool:
    return any(k.lower() == b"content-type" and v.startswith(PROBLEM_JSON.encode()) for k, v in message["headers"])
