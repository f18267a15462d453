"""Plays the episodes of one queue task at the same time, and keeps renewing the claims on their work items."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from a3t_contracts.errors import A3TError, UnplayableError
from a3t_contracts.logging import get_logger
from a3t_contracts.schemas import EnvironmentInfo, Trajectory, TrajectoryKind, Wanted, trajectory_id
from a3t_contracts.tracing import bind_ids

from ..gateway import Gateway, ServiceAddresses
from ..phases import Phase
from ..recipe import Recipe
from ..settings import OrchestratorSettings
from ..store import (
    DatabaseAwayError,
    Store,
    WorkItem,
    add_trajectories,
    annotate_trajectory,
    claim,
    environment_of,
    find_run,
    get_trajectory,
    give_back,
    give_up,
    is_run_task,
    renew,
    return_failed,
    save_trajectory,
)
from ..worked_example import example_for_reasons
from .branching import branched, branches
from .hindsight import hindsight_of
from .metrics import EPISODES, IN_HAND
from .plan import EpisodePlan, plan_episode
from .reasons import annotated_steps
from .runner import play_with_restarts
from .traced import annotation_span, episode_span, tell_episode

__all__ = ["ChunkReport", "run_chunk"]

Handler = Callable[[WorkItem], Awaitable[None]]

log = get_logger(__name__)


@dataclass(slots=True)
class ChunkReport:
    """Numbers of a chunk's work items by result. `skipped` counts items that were done before or are claimed by another
    worker."""

    done: int = 0
    failed: int = 0
    skipped: int = 0


async def run_chunk(
    store: Store, settings: OrchestratorSettings, run: str, ids: Sequence[str], worker: str, *, annotate: bool = False
) -> ChunkReport:
    """Play (or annotate) the items that are not done yet, and store each episode as soon as it ends.

    A failed item goes back to the work list; after `limits.deliveries` failures it is given up. When this call is
    cancelled, unfinished items go back to the work list. If the database cannot be reached, this waits for it; after
    the store's patience DatabaseAwayError is raised, and the items go back when their claims expire.
    """
    found = await store.do(partial(_run, name=run))
    if found is None:
        return ChunkReport(skipped=len(ids))
    recipe, environment = found
    limits = recipe.limits
    items = await store.do(
        lambda session: claim(session, ids, worker, settings.lease_seconds, limits.deliveries),
    )
    report = ChunkReport(skipped=len(ids) - len(items))
    if not items:
        return report
    annotator = recipe.round0.annotator if annotate else recipe.compose.annotator
    async with Gateway(ServiceAddresses.of(settings), limits, annotator) as gateway:
        handler: Handler = partial(_annotate if annotate else _episode, store, gateway, recipe, environment)
        chunk = _Chunk(store, items, worker, settings.lease_seconds, limits.deliveries, report)
        await chunk.run(handler, limits.concurrency)
    return report


class _Chunk:
    """The work items that this queue task has claimed, and their claims."""

    def __init__(
        self, store: Store, items: list[WorkItem], worker: str, lease: float, deliveries: int, report: ChunkReport
    ) -> None:
        self.store = store
        self.items = items
        self.worker = worker
        self.lease = lease
        self.deliveries = deliveries
        self.report = report
        self.open = {item.id for item in items}

    async def run(self, handler: Handler, concurrency: int) -> None:
        slots = asyncio.Semaphore(concurrency)
        keeper = asyncio.create_task(self._keep_lease())
        try:
            async with asyncio.TaskGroup() as group:
                for item in self.items:
                    group.create_task(self._one(item, handler, slots))
        except ExceptionGroup as failures:
            away, others = failures.split(DatabaseAwayError)
            if away is None or others is not None:
                raise
            raise away.exceptions[0] from None
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            if self.open:
                await asyncio.shield(self._give_back())

    async def _one(self, item: WorkItem, handler: Handler, slots: asyncio.Semaphore) -> None:
        bind_ids(run=item.run, episode=item.id)
        async with slots:
            try:
                with IN_HAND.track_inprogress():
                    await handler(item)
                self.report.done += 1
                EPISODES.labels(item.phase, "done").inc()
            except DatabaseAwayError:
                raise
            except A3TError as error:
                await self._failed(item, str(error), partial(self._settle, item=item.id, error=error))
            except Exception as error:  # an episode that makes the worker's code fail must not be tried for ever
                log.exception("episode.broken", task=item.task_id)
                words = f"An unexpected error, {type(error).__name__}: {error}"
                await self._failed(
                    item, words, partial(return_failed, item_id=item.id, error=words, deliveries=self.deliveries)
                )
            self.open.discard(item.id)

    async def _failed(self, item: WorkItem, words: str, settle: Callable[[Session], None]) -> None:
        log.warning("episode.failed", task=item.task_id, error=words)
        await self.store.do(settle)
        self.report.failed += 1
        EPISODES.labels(item.phase, "failed").inc()

    def _settle(self, session: Session, item: str, error: A3TError) -> None:
        """Put a failed item back on the work list, or give it up if it can never be played."""
        if isinstance(error, UnplayableError):
            give_up(session, item, str(error))
        else:
            return_failed(session, item, str(error), self.deliveries)

    async def _keep_lease(self) -> None:
        while True:
            await asyncio.sleep(self.lease / 4)
            with suppress(DatabaseAwayError):  # the code that stores episodes reports this error
                await self.store.do(lambda session: renew(session, list(self.open), self.worker, self.lease))

    async def _give_back(self) -> None:
        """Put the unfinished items back on the work list, without waiting for a database that cannot be reached: a
        worker that stops has little time, and items also go back when their claims expire."""
        try:
            await self.store.do(lambda session: give_back(session, list(self.open), self.worker), patience=0)
        except DatabaseAwayError as error:
            log.warning("chunk.not_given_back", items=len(self.open), lease_seconds=self.lease, error=str(error))


async def _episode(
    store: Store, gateway: Gateway, recipe: Recipe, environment: EnvironmentInfo, item: WorkItem
) -> None:
    plan = await _branched(store, recipe, plan_episode(recipe, item, environment))
    with episode_span(plan) as here:
        trajectory = await play_with_restarts(plan, gateway)
        tell_episode(here, trajectory)
        looks_back = recipe.compose.hindsight and plan.exploration is not None
        other = await hindsight_of(plan, trajectory, gateway) if looks_back else None
    await store.do(lambda session: _save(session, item, trajectory, other))


def _save(session: Session, item: WorkItem, trajectory: Trajectory, other: Trajectory | None) -> None:
    """Store an episode, and in the same transaction what hindsight made of it.

    Where the episode is there already, another worker has stored it with its own hindsight. A task of the run is none
    that hindsight may find: it may be held out.
    """
    annotated = trajectory.kind is not TrajectoryKind.demonstration
    added = save_trajectory(session, item.id, trajectory, phase=item.phase, annotated=annotated)
    if added and other is not None and not is_run_task(session, item.run, other.task_id):
        add_trajectories(session, [(other, Phase.hindsight)])


async def _branched(store: Store, recipe: Recipe, plan: EpisodePlan) -> EpisodePlan:
    """Return the plan, with the agent's own failed trial at its beginning if the plan is one of those that branch from
    it."""
    if plan.exploration is None or not branches(plan, recipe.compose.branch):
        return plan
    own = trajectory_id(plan.run, plan.round, plan.task_id, TrajectoryKind.policy, 0)
    return branched(plan, await store.do(lambda session: get_trajectory(session, own)))


async def _annotate(
    store: Store, gateway: Gateway, recipe: Recipe, environment: EnvironmentInfo, item: WorkItem
) -> None:
    episode_id = trajectory_id(item.run, item.round, item.task_id, item.kind, item.sample)
    episode = await store.do(lambda session: get_trajectory(session, episode_id))
    with annotation_span(item):
        steps = await annotated_steps(episode, gateway, environment.about, example_for_reasons(environment))
    await store.do(lambda session: annotate_trajectory(session, item.id, episode_id, steps))


def _run(session: Session, name: str) -> tuple[Recipe, EnvironmentInfo] | None:
    """Return the run's recipe and environment; None if nothing is to be played because the run is paused, ended or
    deleted."""
    run = find_run(session, name)
    if run is None or run.wanted != Wanted.running:
        return None
    return Recipe.model_validate(run.recipe), environment_of(run)
