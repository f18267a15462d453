"""Pages to play a task in the browser, with the policy's suggestions and ActRe's reasons."""

from __future__ import annotations

import random
from typing import Annotated

from fastapi import Form, Request
from starlette.responses import Response

from a3t_contracts.errors import A3TError, ForbiddenError
from a3t_contracts.schemas import EnvironmentInfo

from ...play.game import TaskChoice
from ..guard import page_router
from ..page import PageDep
from ..playing import Games, Reason, act

__all__ = ["router"]

router = page_router("/play")
_LONGEST_ACTION = 2000

Text = Annotated[str, Form(max_length=_LONGEST_ACTION)]


@router.get("")
async def start_page(page: PageDep, request: Request) -> Response:
    """Show what can be played, and the games that are open."""
    environments: list[EnvironmentInfo] = []
    trouble = ""
    games: Games = request.app.state.games
    try:
        async with games.services() as services:
            environments = await services.env.environments()
    except A3TError as error:
        trouble = f"{error.detail} {error.hint or ''}".strip()
    playable = [info for info in environments if any(info.splits.values())]
    return page.render("play_start.html", environments=playable, trouble=trouble, games=games.open_games())


@router.post("")
async def start(
    page: PageDep, request: Request, environment: Text, split: Text = "", type: Text = "", task: Text = ""
) -> Response:
    """Begin a game on a task. Without `task` one is drawn at random."""
    _may_play(page)
    choice = TaskChoice(environment, split or None, type or None, task.strip() or None, random.randrange(2**31))
    games: Games = request.app.state.games
    try:
        name = await games.start(choice)
    except A3TError as error:
        return page.redirect("/play", f"{error.detail} {error.hint or ''}".strip(), "bad")
    return page.redirect(f"/play/{name}")


@router.get("/{name}")
def game_page(page: PageDep, request: Request, name: str) -> Response:
    """Show a game and the steps that were played so far."""
    games: Games = request.app.state.games
    played = games.get(name)
    return page.render("play.html", name=name, played=played, game=played.game)


@router.post("/{name}/step")
async def step(
    page: PageDep, request: Request, name: str, action: Text, step: Annotated[int, Form()], ask: Text = ""
) -> Response:
    """Carry out an action, or ask ActRe for its reason. A form that is sent twice has no effect the second time."""
    _may_play(page)
    games: Games = request.app.state.games
    async with games.open(name) as played:
        action = " ".join(action.split())
        if step == played.game.steps and not played.game.over and action:
            if ask:
                played.reason = Reason(action, await played.game.why(action))
            else:
                await act(played, action)
    return page.redirect(f"/play/{name}")


@router.post("/{name}/suggest")
async def suggest(page: PageDep, request: Request, name: str) -> Response:
    """Ask the policy for its next action."""
    _may_play(page)
    games: Games = request.app.state.games
    async with games.open(name) as played:
        if not played.game.over:
            played.suggestion = await played.game.suggest()
    return page.redirect(f"/play/{name}")


@router.post("/{name}/close")
async def close(page: PageDep, request: Request, name: str) -> Response:
    """End a game."""
    _may_play(page)
    games: Games = request.app.state.games
    await games.close(name)
    return page.redirect("/play", "The game is closed.")


def _may_play(page: PageDep) -> None:
    if not page.may("run"):
        raise ForbiddenError("This token may only read.", hint="Sign in with a token of the role run to play.")
