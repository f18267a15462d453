"""A policy service whose turns a test writes: the HTTP contract of `/v1/act` without a model, for exact episodes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from fastapi import APIRouter, FastAPI, HTTPException

from a3t_contracts.react import History, completion_text
from a3t_contracts.schemas import ActReply, ActRequest, ActResult, ActTurn, ModelCard, ModelList, PromptStyle
from a3t_contracts.service import create_service
from a3t_contracts.settings import ServiceSettings


class ScriptedPolicy:
    """`choose` maps a history to an action; `faults` are statuses that the next calls are answered with."""

    def __init__(self, choose: Callable[[History], str]) -> None:
        self.choose = choose
        self.faults: deque[int] = deque()
        self.loaded = {"base"}
        self.prompts: dict[str, PromptStyle] = {}
        """How versions read a history, where it is not plain text."""
        self.answers_as: str | None = None
        """The version that every reply names, whichever was asked for."""
        self.batches: list[int] = []
        self.watch: Callable[[ActTurn], None] = lambda _: None
        """Told of every turn."""

    def app(self, token: str) -> FastAPI:
        router = APIRouter()

        @router.post("/v1/act")
        async def act(request: ActRequest) -> ActReply:
            if self.faults:
                raise HTTPException(self.faults.popleft(), "scripted")
            self.batches.append(len(request.turns))
            if any(turn.model not in self.loaded | {None} for turn in request.turns):
                raise HTTPException(404, "no such adapter")
            return ActReply(results=[self._turn(turn) for turn in request.turns])

        @router.get("/v1/models")
        async def models() -> ModelList:
            return ModelList(data=[self._card(name) for name in sorted(self.loaded)])

        return create_service("policy", ServiceSettings.model_validate({"token": token}), [router])

    def _card(self, name: str) -> ModelCard:
        return ModelCard(id=name, live=name == "base", prompt=self.prompts.get(name, PromptStyle.plain))

    def _turn(self, turn: ActTurn) -> ActResult:
        self.watch(turn)
        action = self.choose(turn.history)
        text = completion_text("I think so.", action) if action else "I think so.\n"
        ids = list(text.encode())
        return ActResult(
            thought="I think so.",
            action=action,
            completion=text,
            completion_ids=ids,
            logprobs=[-0.5] * len(ids),
            prompt_tokens=10,
            model=self.answers_as or turn.model or "base",
            finish_reason="stop",
        )
