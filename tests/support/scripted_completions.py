"""A server with OpenAI's `/v1/completions` that says what a test tells it to: for replies that no tiny model writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

__all__ = ["ScriptedCompletions"]


class ScriptedCompletions:
    """`text` is the next completion; a stream brings it in pieces of `piece` characters. `prompts` are those seen."""

    def __init__(self, piece: int = 3) -> None:
        self.text, self.finish_reason, self.piece = "", "stop", piece
        self.prompts: list[str] = []

    def app(self) -> FastAPI:
        """The server."""
        app = FastAPI()

        @app.get("/v1/models")
        async def models() -> dict[str, Any]:
            return {"object": "list", "data": [{"id": "scripted"}]}

        @app.post("/v1/completions", response_model=None)
        async def completions(body: dict[str, Any]) -> Any:
            self.prompts.append(body["prompt"])
            if body.get("stream"):
                return StreamingResponse(self._chunks(), media_type="text/event-stream")
            choice = {"index": 0, "text": self.text, "finish_reason": self.finish_reason}
            return {"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}

        return app

    def _chunks(self) -> Iterator[str]:
        for start in range(0, len(self.text), self.piece):
            choice = {"index": 0, "text": self.text[start : start + self.piece], "finish_reason": None}
            yield f"data: {json.dumps({'choices': [choice]})}\n\n"
        last = {"index": 0, "text": "", "finish_reason": self.finish_reason}
        yield f"data: {json.dumps({'choices': [last]})}\n\n"
        yield "data: [DONE]\n\n"
