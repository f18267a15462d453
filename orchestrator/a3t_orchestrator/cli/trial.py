"""Tests that everything a run needs works together: begins a run over HTTP, waits for one episode and removes the
run."""

from __future__ import annotations

import asyncio
import uuid

from a3t_contracts.cli import errors_console
from a3t_contracts.clients import EnvClient, OrchestratorClient
from a3t_contracts.errors import ConflictError, NotFoundError, UnavailableError, error_from_problem
from a3t_contracts.schemas import EnvironmentInfo, ModelCard, RunCreate, RunStatus, Trajectory

from ..embedded import stack_for
from ..gateway import Gateway, ServiceAddresses, patiently
from ..recipe import Limits
from ..settings import OrchestratorSettings
from .service import client_of

__all__ = ["first_environment", "try_run"]

_DELETE_SECONDS = 120


async def first_environment(env: EnvClient, name: str | None) -> EnvironmentInfo:
    """Return the environment of this name; for None the first one with tasks. Raises NotFoundError."""
    offered = await env.environments()
    chosen = [i for i in offered if (i.name == name if name else any(i.splits.values()))]
    if not chosen:
        raise NotFoundError(
            f"The env service offers no environment {name or 'with tasks'}.",
            hint=f"It offers: {', '.join(i.name for i in offered) or 'none'}.",
        )
    return chosen[0]


async def try_run(
    settings: OrchestratorSettings, environment: str | None, steps: int, base_model: str | None, wait: float
) -> Trajectory:
    """Begin a run of one task, wait for its first episode, cancel and delete the run, and return the episode.

    Args:
        wait: seconds to wait for services that do not answer yet.
    """
    async with stack_for(settings, base_model, errors_console.print) as live:
        if live.orchestrator_url is None:
            raise UnavailableError(
                "A3T_ORCHESTRATOR_URL is not set.", hint="Set it to the address of the service that drives runs."
            )
        async with (
            Gateway(ServiceAddresses.of(live), Limits()) as gateway,
            client_of(live, live.orchestrator_url) as client,
        ):
            info = await patiently(lambda: first_environment(gateway.env, environment), wait)
            bases = [card for card in await patiently(gateway.policy.models, wait) if card.parent is None]
            request = _request(info, bases[0], steps)
            key = uuid.uuid4().hex
            run = (await patiently(lambda: client.begin(request, key), wait)).name
            try:
                return await _first_episode(client, run)
            finally:
                await _remove(client, run)


def _request(info: EnvironmentInfo, base: ModelCard, steps: int) -> RunCreate:
    split = next(name for name, count in info.splits.items() if count)
    recipe = {
        "name": "episode",
        "environment": info.name,
        "base_model": base.id,
        "prompt": base.prompt.value,
        "rounds": 1,
        "data": {"split": split, "tasks": 1, "held_out": []},
        "round0": {"mode": "none"},
        "limits": {"max_steps": steps},
    }
    return RunCreate(recipe=recipe)


async def _first_episode(client: OrchestratorClient, run: str) -> Trajectory:
    while True:
        async for news in client.follow(run):
            if news.event is not None and news.event.kind == "phase_finished":
                return (await client.trajectories(run))[0]
            if news.ended and news.run is not None and news.run.problem is not None:
                raise error_from_problem(news.run.problem)
            if news.ended:
                raise UnavailableError(
                    f"The run {run} ended without an episode.",
                    hint="The logs of the orchestrator and of the workers say why.",
                )
        await asyncio.sleep(1.0)  # the service stopped; a new one continues the stream


async def _remove(client: OrchestratorClient, run: str) -> None:
    if (await client.run(run)).status is not RunStatus.finished:
        await client.cancel(run)
    for _ in range(_DELETE_SECONDS):
        try:
            await client.delete(run)
            return
        except ConflictError:  # an episode that has begun is still being played
            await asyncio.sleep(1.0)
    errors_console.print(f"The run {run} could not be removed; `a3t runs delete {run}` does it later.")
