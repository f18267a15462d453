"""`a3t episode`."""

from __future__ import annotations

from typing import Annotated

import typer

from a3t_contracts.cli import JsonOption, console, emit_json, errors_console
from a3t_contracts.errors import NotFoundError
from a3t_contracts.schemas import EnvironmentInfo, PromptStyle, Task, Trajectory, TrajectoryKind, trajectory_id

from ..embedded import stack_for
from ..gateway import Gateway, ServiceAddresses, patiently
from ..prompt_style import prompt_style
from ..recipe import Limits
from ..settings import OrchestratorSettings
from ..worked_example import example_for_reasons
from ..worker.plan import EpisodePlan, Exploration, proposer_of
from ..worker.runner import play_with_restarts
from .common import quiet_logs, run_async
from .trial import first_environment, try_run

__all__ = ["app"]

app = typer.Typer(add_completion=False)
_RUN = "episode"


@app.command()
def episode(
    environment: Annotated[
        str | None,
        typer.Argument(help="Name of the environment; default: the first one of the env service that has tasks."),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Id of the task; default: the first task of the environment.")
    ] = None,
    p: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Probability that a step's action is replaced by a random one, whose reason ActRe writes.",
        ),
    ] = 0.5,
    steps: Annotated[int, typer.Option(min=1, help="Largest number of steps in the episode.")] = 10,
    base_model: Annotated[
        str | None,
        typer.Option(help="Base model, if this command starts the policy service; default: a3t/tiny."),
    ] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for services that do not answer yet.")] = 0,
    as_run: Annotated[
        bool,
        typer.Option(
            "--as-run", help="Let the orchestrator service and a worker play it, as the first episode of a run."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Play one episode to check that the env, policy and ActRe services work together. Nothing is stored.

    --as-run also checks queue, worker, database and orchestrator: it begins a run over HTTP, cancels it after its first
    episode, and deletes it. In that episode no action is sampled; --task and --p are ignored.

    Example: `a3t episode --p 0.3 --steps 5`
    """
    settings = OrchestratorSettings()
    quiet_logs(settings)
    if as_run:
        trajectory = run_async(try_run(settings, environment, steps, base_model, wait))
    else:
        trajectory = run_async(_play(settings, environment, task, p, steps, base_model, wait))
    if as_json:
        emit_json(trajectory)
        return
    sampled = sum(s.trigger is not None for s in trajectory.steps)
    console.print(
        f"{trajectory.task_id}: {len(trajectory.steps)} steps, {sampled} of them sampled and annotated, "
        f"stopped by {trajectory.stop_reason}, reward {trajectory.reward:g}."
    )


async def _play(
    settings: OrchestratorSettings,
    environment: str | None,
    task: str | None,
    p: float,
    steps: int,
    base_model: str | None,
    wait: float,
) -> Trajectory:
    async with (
        stack_for(settings, base_model, errors_console.print) as live,
        Gateway(ServiceAddresses.of(live), Limits()) as gateway,
    ):
        info, found = await patiently(lambda: _task(gateway, environment, task), wait)
        prompt = await patiently(lambda: prompt_style(gateway.policy, None), wait)
        return await play_with_restarts(_plan(info, found, p, steps, prompt), gateway)


async def _task(gateway: Gateway, environment: str | None, task: str | None) -> tuple[EnvironmentInfo, Task]:
    env = gateway.env
    info = await first_environment(env, environment)
    tasks = (await env.tasks(info.name, limit=1)).tasks if task is None else await env.all_tasks(info.name)
    for found in tasks:
        if task in (None, found.id):
            return info, found
    raise NotFoundError(f"{info.name} has no task {task or 'at all'}.", hint="`a3t data list` shows what is there.")


def _plan(info: EnvironmentInfo, task: Task, p: float, steps: int, prompt: PromptStyle) -> EpisodePlan:
    return EpisodePlan(
        id=trajectory_id(_RUN, 0, task.id, TrajectoryKind.composed, 0),
        run=_RUN,
        round=0,
        environment=task.environment,
        engine=None,
        split=task.split,
        task_id=task.id,
        task_type=task.type,
        kind=TrajectoryKind.composed,
        sample=0,
        policy_version=None,
        seed=0,
        temperature=1.0,
        top_p=1.0,
        max_tokens=96,
        max_steps=steps,
        max_invalid=None,
        about=info.about,
        example=example_for_reasons(info),
        prompt=prompt,
        exploration=Exploration(
            p, invalid_streak=3, reasons=True, avoid_policy_action=True, proposer=proposer_of("auto", info)
        ),
    )
