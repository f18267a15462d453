"""The commands `a3t play` and `a3t chat`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from pathlib import Path
from typing import Annotated

import typer

from a3t_contracts.cli import console
from a3t_contracts.clients import ActReClient, EnvClient, PolicyClient, RetryPolicy
from a3t_contracts.errors import A3TError, InvalidInputError, UnavailableError

from ..embedded.state import read_state
from ..settings import OrchestratorSettings
from .game import Game, Services, TaskChoice
from .loop import Dialogue
from .screen import Screen

__all__ = ["app", "chat"]

app = typer.Typer(add_completion=False, help="Play a task yourself, in the terminal.")
chat = typer.Typer(add_completion=False, help="Play a task together with the agent.")

_DEFAULTS = {"env": "http://127.0.0.1:8101", "policy": "http://127.0.0.1:8102", "actre": "http://127.0.0.1:8103"}

Environment = Annotated[
    str | None, typer.Argument(help="Name of the environment; default: the first environment of the env service.")
]
TaskOption = Annotated[str | None, typer.Option("--task", help="Id of the task; default: drawn at random by --seed.")]
Split = Annotated[str | None, typer.Option(help="Split to draw the task from; default: the first one with tasks.")]
Type = Annotated[str | None, typer.Option(help="Type of the task to draw; default: any type.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed of the draw and of the environment; default: random.")]
Engine = Annotated[str | None, typer.Option(help="Engine to play on; default: the environment's first engine.")]
MaxSteps = Annotated[
    int | None, typer.Option(min=1, max=1000, help="Largest number of steps; default: the environment's limit.")
]
Model = Annotated[str | None, typer.Option(help="Adapter version that makes suggestions; default: the live one.")]
Save = Annotated[
    Path | None, typer.Option(help="JSONL file to append the episode to, in the format that `a3t annotate` reads.")
]


@app.command()
def play_command(
    environment: Environment = None,
    task: TaskOption = None,
    split: Split = None,
    type: Type = None,
    seed: Seed = None,
    engine: Engine = None,
    max_steps: MaxSteps = None,
    suggest: Annotated[bool, typer.Option("--suggest", help="Show the agent's suggestion at each turn.")] = False,
    model: Model = None,
    save: Save = None,
) -> None:
    """Play a task yourself, in the terminal. Type an action at each turn, or :help for a list of commands, such as
    :suggest, which asks the agent for its thought and action.

    Example: `a3t play --split test --suggest --save mine.jsonl`
    """
    _play(TaskChoice(environment, split, type, task, _seed(seed)), engine, max_steps, suggest, model, save)


@chat.command()
def chat_command(
    environment: Environment = None,
    task: TaskOption = None,
    split: Split = None,
    type: Type = None,
    seed: Seed = None,
    engine: Engine = None,
    max_steps: MaxSteps = None,
    model: Model = None,
    save: Save = None,
) -> None:
    """Play a task together with the agent, which shows its thought and its action at each turn. An empty line accepts
    the action.

    Example: `a3t chat --split test --seed 1`
    """
    _play(TaskChoice(environment, split, type, task, _seed(seed)), engine, max_steps, True, model, save)


def _play(
    choice: TaskChoice, engine: str | None, max_steps: int | None, suggest: bool, model: str | None, save: Path | None
) -> None:
    with asyncio.Runner() as runner:
        services = _services()
        try:
            game = _start(runner, services, choice, engine, max_steps, model)
            try:
                Dialogue(game, Screen(console), runner, suggest).run()
            finally:
                _save(game, save)
                with contextlib.suppress(A3TError):
                    runner.run(game.close())
        finally:
            runner.run(services.aclose())


def _start(
    runner: asyncio.Runner,
    services: Services,
    choice: TaskChoice,
    engine: str | None,
    max_steps: int | None,
    model: str | None,
) -> Game:
    try:
        return runner.run(Game.start(services, choice, engine, max_steps, model))
    except UnavailableError as error:
        raise UnavailableError(
            error.detail,
            hint="Start the services with `a3t up`, or set A3T_ENV_URL to the address of another env service.",
        ) from error


def _services() -> Services:
    """Make clients for the configured addresses, else for those of the running stack of this A3T_HOME, else for the
    default ports of this machine."""
    settings = OrchestratorSettings()
    token = settings.token.get_secret_value()
    running = read_state(settings.home.expanduser().resolve())
    named = {name: url for name, url in settings.service_urls.items() if url}
    urls = _DEFAULTS | (running.urls if running else {}) | named
    quick = RetryPolicy(attempts=2)
    return Services(
        EnvClient(urls["env"], token, retry=quick),
        PolicyClient(urls["policy"], token, retry=quick),
        ActReClient(urls["actre"], token, retry=quick),
    )


def _seed(seed: int | None) -> int:
    return random.SystemRandom().randrange(2**31) if seed is None else seed


def _save(game: Game, path: Path | None) -> None:
    if path is None or not game.steps:
        return
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(game.log_line(), ensure_ascii=False) + "\n")
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be written: {error.strerror}.") from error
    console.print(f"Saved to {path}.", highlight=False, markup=False)
