"""Doubles of AgentGym's servers, written from the routes and replies of its repository (agentenv-*/…/server.py).

Its real servers need their games' data and packages of their own. `word_ids`: ids as `id`, tasks as `data_idx`, with
`close` (TextCraft, BabyAI, ScienceWorld); `env_idx`: bare ids, `state` and no `close` (WebShop, SQLGym); `games`: tasks
as `game`, `available_actions` in replies, no `close` (ALFWorld).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

__all__ = ["STYLES", "agentgym_double"]

STYLES = ("word_ids", "env_idx", "games")
ACTIONS = ["count up", "count down", "stop"]


class ResetById(BaseModel):
    """Keys that are not named are let be, as in the real servers."""

    id: int
    data_idx: int


class ResetByIdx(BaseModel):
    env_idx: int
    session_id: int | None = None


class ResetGame(BaseModel):
    id: int
    game: int
    world_type: str


class StepById(BaseModel):
    id: int
    action: str


class StepByIdx(BaseModel):
    env_idx: int
    action: str


class Close(BaseModel):
    id: int


class Counting:
    """Count to the number of the task, then stop. Errors are told with status 200, as the real wrappers do."""

    def __init__(self) -> None:
        self.games: dict[int, tuple[int, int]] = {}
        self.made = 0

    def create(self) -> int:
        self.made += 1
        return self.made - 1

    def reset(self, number: int, goal: int) -> str:
        self.games[number] = (goal % 3, 0)
        return f"Count to {goal % 3}, then stop."

    def step(self, number: int, action: str) -> tuple[str, float, bool]:
        goal, at = self.games[number]
        at += {"count up": 1, "count down": -1}.get(action, 0)
        self.games[number] = (goal, at)
        done = action == "stop"
        return f"You are at {at}.", float(done and at == goal), done


def agentgym_double(style: str) -> tuple[FastAPI, Counting]:
    """The server and its games."""
    app, games = FastAPI(), Counting()
    {"word_ids": _word_ids, "env_idx": _env_idx, "games": _games}[style](app, games)
    return app, games


def _told(run: Callable[[], Any]) -> Any:
    try:
        return run()
    except KeyError as error:
        return {"error": f"The id {error} is not valid."}


def _word_ids(app: FastAPI, games: Counting) -> None:
    @app.post("/create")
    def create() -> Any:
        return {"id": games.create(), "observation": "Welcome.", "done": False, "reward": 0}

    @app.post("/reset")
    def reset(body: ResetById) -> Any:
        return {"id": body.id, "observation": games.reset(body.id, body.data_idx), "done": False, "reward": 0}

    @app.post("/step")
    def step(body: StepById) -> Any:
        return _told(
            lambda: dict(zip(("observation", "reward", "done"), games.step(body.id, body.action), strict=True))
        )

    @app.post("/close")
    def close(body: Close) -> bool:
        return games.games.pop(body.id, None) is not None


def _env_idx(app: FastAPI, games: Counting) -> None:
    @app.post("/create", response_model=int)
    def create() -> int:
        return games.create()

    @app.post("/reset")
    def reset(body: ResetByIdx) -> Any:
        return [games.reset(body.env_idx, body.session_id or 0), None]

    @app.post("/step")
    def step(body: StepByIdx) -> Any:
        state, reward, done = games.step(body.env_idx, body.action)
        return {"state": state, "reward": reward, "done": done, "info": None}

    @app.get("/observation", response_model=str)
    def observation(env_idx: int) -> str:
        return str(games.games[env_idx])

    @app.get("/available_actions")
    def available_actions(env_idx: int) -> Any:
        return {"has_search_bar": False, "clickables": ACTIONS}


def _games(app: FastAPI, games: Counting) -> None:
    @app.post("/create")
    def create() -> Any:
        return {"id": games.create()}

    @app.post("/reset")
    def reset(body: ResetGame) -> Any:
        said = games.reset(body.id, body.game)
        return {"id": body.id, "observation": said, "available_actions": ACTIONS, "task_type": "count"}

    @app.post("/step")
    def step(body: StepById) -> Any:
        def made() -> Any:
            observation, reward, done = games.step(body.id, body.action)
            return {"observation": observation, "reward": reward, "available_actions": ACTIONS, "done": done}

        return _told(made)
