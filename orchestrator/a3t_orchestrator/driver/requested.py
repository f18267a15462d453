"""Begins the run that an HTTP request asks for. A repeated request returns the same run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sqlalchemy.orm import Session

from a3t_contracts.errors import ConflictError, InvalidInputError
from a3t_contracts.schemas import RunCreate, RunInfo, RunStatus

from ..recipe import Recipe, load_recipe, recipe_hash, sent_recipe, shipped_recipe
from ..settings import OrchestratorSettings
from ..store import Run, Store, find_run, get_run, run_info, run_of_request
from .learn import require_base
from .start import begin_run

__all__ = ["Begun", "begin_requested", "requested_recipe"]

_PATIENCE = 20.0
"""Seconds that a request waits for services that do not answer; shorter than the timeout of its client."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A run, and whether this request created it."""

    run: RunInfo
    new: bool


def requested_recipe(request: RunCreate) -> Recipe:
    """Return the recipe of a request. Raises NotFoundError for an unknown recipe, InvalidInputError for a wrong one."""
    rounds = [] if request.rounds is None else [f"rounds={request.rounds}"]
    overrides = [*request.overrides, *rounds]
    if isinstance(request.recipe, str):
        return load_recipe(shipped_recipe(request.recipe), fast=request.fast, overrides=overrides)
    return sent_recipe(request.recipe, fast=request.fast, overrides=overrides)


async def begin_requested(
    store: Store, settings: OrchestratorSettings, request: RunCreate, key: str | None = None
) -> Begun:
    """Begin the run of a request, unless it was begun before. The orchestrator service then drives it.

    Args:
        store: the database.
        settings: have the addresses of the services.
        request: the request.
        key: the request's Idempotency-Key; None if it has none.

    Raises ConflictError if another run has the name, InvalidInputError if the key was used for another request or the
    recipe cannot be carried out, NotFoundError for an unknown recipe, source, environment or split.
    """
    recipe = await asyncio.to_thread(requested_recipe, request)  # it reads files
    known = await store.do(lambda session: _known(session, request, recipe, key))
    if known is None:
        if request.source is not None:
            source = request.source
            await store.do(lambda session: get_run(session, source))
        await require_base(settings, recipe, _PATIENCE)
        try:
            name = await begin_run(
                store,
                settings,
                recipe,
                request.name,
                request.source,
                status=RunStatus.queued,
                idempotency_key=key,
                patience=_PATIENCE,
            )
        except ConflictError:  # another replica received the same request at the same moment
            known = await store.do(lambda session: _known(session, request, recipe, key))
            if known is None:
                raise
        else:
            return Begun(await store.do(lambda session: run_info(session, name)), new=True)
    found = known
    return Begun(await store.do(lambda session: run_info(session, found)), new=False)


def _known(session: Session, request: RunCreate, recipe: Recipe, key: str | None) -> str | None:
    """Return the name of the run that the same request began before; None if there is none."""
    run = run_of_request(session, key) if key else None
    if run is not None:
        if not _same(run, request, recipe) or request.name not in (None, run.name):
            raise InvalidInputError(
                f"The Idempotency-Key was used for another request, which began the run {run.name}.",
                hint="Send a new key with a new request.",
            )
        return run.name
    run = find_run(session, request.name) if request.name else None
    if run is None:
        return None
    if not _same(run, request, recipe):
        raise ConflictError(
            f"There is already a run {run.name!r} with another recipe.", hint="Choose another name, or resume the run."
        )
    return run.name


def _same(run: Run, request: RunCreate, recipe: Recipe) -> bool:
    return run.recipe_sha256 == recipe_hash(recipe) and run.source == request.source
