"""Options that choose episodes, shared by all commands that list or export them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from a3t_contracts.schemas import StopReason, TrajectoryKind

from ..phases import Phase
from ..store import EpisodeFilter

__all__ = ["takes_episode_filter"]


def takes_episode_filter(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `_chosen` in place of its parameter `where`, which must be keyword-only and
    receives the filter."""
    declared = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for one in inspect.signature(_chosen, eval_str=True).parameters.values()
    ]
    own = inspect.signature(command, eval_str=True)
    parameters = [taken for one in own.parameters.values() for taken in (declared if one.name == "where" else [one])]
    signature = own.replace(parameters=parameters)

    @wraps(command)
    def with_options(*positional: Any, **named: Any) -> None:
        given = signature.bind(*positional, **named)
        given.apply_defaults()
        where = _chosen(**{one.name: given.arguments.pop(one.name) for one in declared})
        command(where=where, **given.arguments)

    with_options.__signature__ = signature  # type: ignore[attr-defined]
    with_options.__annotations__ = {one.name: one.annotation for one in parameters}
    return with_options


def _chosen(
    round: Annotated[int | None, typer.Option(help="Only episodes of this round.")] = None,
    kind: Annotated[TrajectoryKind | None, typer.Option(help="Only episodes of this kind.")] = None,
    phase: Annotated[Phase | None, typer.Option(help="Only episodes of this phase of a round.")] = None,
    split: Annotated[str | None, typer.Option(help="Only episodes on tasks of this split.")] = None,
    task: Annotated[str | None, typer.Option(help="Only episodes on the task with this id.")] = None,
    type: Annotated[str | None, typer.Option(help="Only episodes on tasks of this type.")] = None,
    stop_reason: Annotated[StopReason | None, typer.Option(help="Only episodes that ended for this reason.")] = None,
    sampled: Annotated[
        bool | None,
        typer.Option(
            "--sampled/--no-sampled", help="Only episodes with a sampled step, or only those without; default: both."
        ),
    ] = None,
    invalid: Annotated[
        bool | None,
        typer.Option(
            "--invalid/--no-invalid", help="Only episodes with an invalid turn, or only those without; default: both."
        ),
    ] = None,
    made_up: Annotated[
        bool | None,
        typer.Option(
            "--made-up/--no-made-up",
            help="Only episodes in which the policy made up an observation, or only those without; default: both.",
        ),
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(
            help="Only episodes with all of these words in observations, thoughts and actions, e.g. `mug shelf`. "
            '`"mug 1"`: words in this order; `-mug`: must not occur; `mu*`: beginning of a word.'
        ),
    ] = None,
) -> EpisodeFilter:
    """Make the filter from these options."""
    return EpisodeFilter(
        round=round,
        kind=kind,
        phase=phase,
        split=split,
        task_id=task,
        task_type=type,
        stop_reason=stop_reason,
        sampled=sampled,
        invalid=invalid,
        made_up=made_up,
        search=search,
    )
