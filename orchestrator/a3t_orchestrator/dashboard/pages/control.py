"""Pages and forms that begin, pause, resume, cancel and delete runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import yaml
from fastapi import Form, Request
from pydantic import ValidationError
from sqlalchemy.orm import Session
from starlette.responses import Response

from a3t_contracts.access import Role, needs
from a3t_contracts.errors import A3TError, InvalidInputError
from a3t_contracts.schemas import RunCreate

from ...api.deps import StoreDep
from ...driver.requested import begin_requested
from ...recipe import shipped_recipes
from ...store import Run, delete_run, request_cancel, request_pause, resume_run
from ..guard import page_router
from ..page import Page, PageDep

__all__ = ["router"]

router = page_router()

Text = Annotated[str, Form(max_length=200_000)]


@dataclass(frozen=True, slots=True)
class _Action:
    """The function that a button calls, and the notice on the next page."""

    change: Callable[[Session, str], Run]
    said: str


_ACTIONS = {
    "pause": _Action(request_pause, "{} will pause. Episodes that are being played are finished and kept."),
    "resume": _Action(resume_run, "{} continues."),
    "cancel": _Action(request_cancel, "{} will end. Its results so far are kept."),
}


@router.get("/start")
def start_page(page: PageDep, recipe: str = "", source: str = "") -> Response:
    """Show the form that begins a run."""
    return _form(page, {"recipe": recipe, "source": source})


@router.post("/start")
async def start(
    page: PageDep,
    store: StoreDep,
    request: Request,
    recipe: Text = "",
    text: Text = "",
    name: Text = "",
    source: Text = "",
    rounds: Text = "",
    overrides: Text = "",
    fast: Annotated[bool, Form()] = False,
) -> Response:
    """Begin the run that the form describes. Errors are shown above the form."""
    given = {"recipe": recipe, "text": text, "name": name, "source": source, "rounds": rounds, "overrides": overrides}
    try:
        begun = await begin_requested(store, request.app.state.settings, _wanted(given, fast))
    except A3TError as error:
        return await asyncio.to_thread(_form, page, given | {"fast": fast}, error)
    request.app.state.wake()
    said = f"{begun.run.name} has begun." if begun.new else f"{begun.run.name} was already begun by the same request."
    return page.redirect(f"/runs/{begun.run.name}", said)


@router.post("/runs/{run}/{action}")
def control(page: PageDep, store: StoreDep, request: Request, run: str, action: str) -> Response:
    """Pause, resume or cancel a run."""
    found = _ACTIONS.get(action)
    if found is None:
        raise InvalidInputError(
            f"There is no action {action!r} for a run.", hint=f"The actions are {', '.join(_ACTIONS)}."
        )
    try:
        with store.session() as session:
            found.change(session, run)
    except A3TError as error:
        return page.redirect(f"/runs/{run}", str(error), "bad")
    request.app.state.wake()
    return page.redirect(f"/runs/{run}", found.said.format(run))


@router.post("/delete/runs/{run}", **needs(Role.admin))
def delete(page: PageDep, store: StoreDep, run: str) -> Response:
    """Delete a run with its trajectories and events."""
    try:
        with store.session() as session:
            told = delete_run(session, run)
    except A3TError as error:
        return page.redirect(f"/runs/{run}", str(error), "bad")
    return page.redirect("/", f"{run} is deleted, with {told.trajectories} trajectories. {told.note}")


def _wanted(given: dict[str, str], fast: bool) -> RunCreate:
    """Make the request that the form describes. Raises InvalidInputError."""
    lines = [line.strip() for line in given["overrides"].splitlines() if line.strip()]
    values: dict[str, Any] = {
        "recipe": _recipe(given),
        "name": given["name"].strip() or None,
        "from": given["source"].strip() or None,
        "rounds": given["rounds"].strip() or None,
        "fast": fast,
        "overrides": lines,
    }
    try:
        return RunCreate.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInputError(f"{first['loc'][0]}: {first['msg']}.") from error


def _recipe(given: dict[str, str]) -> str | dict[str, Any]:
    if not given["text"].strip():
        if not given["recipe"]:
            raise InvalidInputError("No recipe is chosen.", hint="Choose one from the list, or paste one.")
        return given["recipe"]
    try:
        found = yaml.safe_load(given["text"])
    except yaml.YAMLError as error:
        raise InvalidInputError(f"The pasted recipe is not valid YAML: {error}") from error
    if not isinstance(found, dict):
        raise InvalidInputError("The pasted recipe is not a mapping of keys to values.")
    return found


def _form(page: Page, given: dict[str, Any], error: A3TError | None = None) -> Response:
    empty = {"recipe": "", "text": "", "name": "", "source": "", "rounds": "", "overrides": "", "fast": False}
    status = 200 if error is None else error.status
    return page.render("start.html", status, recipes=shipped_recipes(), given=empty | given, error=error)
