"""`a3t trajectories`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from a3t_contracts.cli import JsonOption, console, emit_json
from a3t_contracts.clients import OrchestratorClient
from a3t_contracts.react import observation_text
from a3t_contracts.schemas import Proposer, Source, Step, Trajectory, TrajectoryInfo, TrajectoryKind, Trigger
from a3t_contracts.tables import print_table

from ..interchange.export import Outcome
from ..store import (
    EpisodeFilter,
    Order,
    count_trajectories,
    find_trajectory,
    get_run,
    list_trajectories,
)
from .common import settings_and_store
from .episode_options import takes_episode_filter
from .export import export
from .service import by_service

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, add_completion=False, help="List and show stored episodes.")

_PAGE = 1000
"""Largest number of trajectories that the service returns at once."""

RunOption = Annotated[str | None, typer.Option(help="Only trajectories of this run.")]
RoundOption = Annotated[int | None, typer.Option(help="Only trajectories of this round.")]
KindOption = Annotated[TrajectoryKind | None, typer.Option(help="Only trajectories of this kind.")]
SuccessOption = Annotated[
    bool | None, typer.Option("--success/--failure", help="Only successes, or only failures; default: both.")
]


@app.command("list")
@takes_episode_filter
def list_(
    run: RunOption = None,
    success: SuccessOption = None,
    *,
    where: EpisodeFilter,
    sort: Annotated[
        Order, typer.Option(help="Order of the list; a minus in front means the largest first.")
    ] = Order.oldest,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Largest number of trajectories to list.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Number of trajectories to skip.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """List trajectories (stored episodes) that match all options, in the order in which they were stored.

    Example: `a3t trajectories list --run demo-1 --failure --sort=-steps`
    """
    where = replace(where, run=run, success=success)
    told = by_service(lambda client: _told(client, where, limit, offset, sort))
    found, total = told or _stored(where, limit, offset, sort)
    rows = [_summary(row) for row in found]
    if as_json:
        emit_json({"total": total, "trajectories": rows})
        return
    columns = ("id", "round", "kind", "task", "success", "steps", "sampled", "invalid", "agent")
    print_table(columns, [[str(row[c]) for c in columns] for row in rows], caption=f"{len(rows)} of {total}")


@app.command()
def show(
    trajectory_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the trajectory, or its first characters.")],
    as_json: JsonOption = False,
) -> None:
    """Print an episode, and for each thought and action who wrote it.

    Example: `a3t trajectories show 3f9c`
    """
    trajectory = by_service(lambda client: client.trajectory(trajectory_id)) or _stored_episode(trajectory_id)
    if as_json:
        emit_json(trajectory)
    else:
        console.print(heading(trajectory), soft_wrap=True)
        console.print(render(trajectory))


@app.command("export", hidden=True)
def export_(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    out: Annotated[Path | None, typer.Option(help="File to write; default: standard output.")] = None,
    round: RoundOption = None,
    kind: KindOption = None,
    success: SuccessOption = None,
) -> None:
    """Write trajectories as JSON Lines. This command is kept for existing scripts; use `a3t export` in new ones."""
    export(run, to=out, round=round, kind=kind, outcome=_OUTCOMES[success])


_WHY = {
    Trigger.coin: "by chance",
    Trigger.invalid: "after invalid actions",
    Trigger.repeat: "in place of a repeated action",
    Trigger.unsure: "where the policy was unsure",
    Trigger.branch: "where it departs from the failed trial",
}
_OUTCOMES: dict[bool | None, Outcome] = {None: "any", True: "success", False: "failure"}


def heading(trajectory: Trajectory) -> Text:
    """Return the lines that describe an episode. They contain ids and must not be wrapped."""
    t = trajectory
    agent = t.policy_version or "scripted expert"
    return Text.assemble(
        (t.id, "bold"),
        f"  {t.kind.value} · run {t.run} · round {t.round} · {t.environment} ({t.engine})\n",
        f"task {t.task_id} · {t.task_type} · {t.split} · sample {t.sample} · seed {t.seed} · {agent}\n",
    )


def render(trajectory: Trajectory) -> Group:
    """Render the steps of an episode in readable form, and how it ended."""
    t = trajectory
    outcome = "success" if t.success else "no success"
    sampled = sum(s.source is Source.sampled for s in t.steps)
    made_up = sum(s.made_up_observation for s in t.steps)
    tail = Text(
        f"{outcome}: reward {t.reward:g} after {len(t.steps)} steps ({t.stop_reason.value}), {sampled} of them sampled"
        + (f", {made_up} went on with a made-up observation" if made_up else ""),
        "bold green" if t.success else "bold red",
    )
    steps = [part for step in t.steps for part in _step(t, step)]
    last = observation_text(t.final_observation, t.multiline)
    return Group(*steps, Text(last, "dim"), tail)


def _step(trajectory: Trajectory, step: Step) -> Iterator[Text | Padding]:
    yield Text(f"[{step.index}] {observation_text(step.observation, trajectory.multiline)}", "dim")
    if step.thought:
        annotator = f", {step.reason_annotator}" if step.reason_annotator else ""
        yield Padding(
            Text.assemble(("Thought: ", "cyan"), step.thought, (f"  (by {step.reason_by.value}{annotator})", "dim")),
            (0, 0, 0, 4),
        )
    marks = Text.assemble(("Action:  ", "cyan"), (step.action or "(none)", "bold"), _origin(step))
    yield Padding(marks, (0, 0, 0, 4))


def _origin(step: Step) -> Text:
    version = f", {step.policy_version}" if step.policy_version else ""
    origin = Text(f"  ({step.source.value}{version})", "dim")
    if step.source is Source.sampled:
        why = _WHY[step.trigger] if step.trigger else ""
        instead = f" instead of “{step.policy_action}”" if step.policy_action else ""
        by = " (proposed by the policy)" if step.proposed_by is Proposer.policy else ""
        origin = Text(f"  ★ SAMPLED {why}{by}{instead}{version}", "bold yellow")
    marks = [] if step.valid else [("  ✗ invalid", "red")]
    marks += [("  ✗ continued with a made-up observation", "red")] if step.made_up_observation else []
    return Text.assemble(origin, *marks)


def _stored(where: EpisodeFilter, limit: int, offset: int, sort: Order) -> tuple[list[TrajectoryInfo], int]:
    """Read trajectories and the number of all that match from the database."""
    _, store = settings_and_store()
    with store.session() as session:
        if where.run is not None:
            get_run(session, where.run)
        rows = list_trajectories(session, where, limit, offset, sort)
        return [TrajectoryInfo.model_validate(row) for row in rows], count_trajectories(session, where)


async def _told(
    client: OrchestratorClient, where: EpisodeFilter, limit: int, offset: int, sort: Order
) -> tuple[list[TrajectoryInfo], int]:
    """Read trajectories and the number of all that match from the service, page by page."""
    if where.run is not None:
        await client.run(where.run)
    query = asdict(where) | {"sort": sort.value}
    page = await client.trajectory_page(**query, offset=offset, limit=min(limit, _PAGE))
    found = page.trajectories
    while page.next_cursor is not None and len(found) < limit:
        page = await client.trajectory_page(**query, cursor=page.next_cursor, limit=min(limit - len(found), _PAGE))
        found = found + page.trajectories
    return found, page.total


def _stored_episode(trajectory_id: str) -> Trajectory:
    _, store = settings_and_store()
    with store.session() as session:
        return find_trajectory(session, trajectory_id)


def _summary(row: TrajectoryInfo) -> dict[str, Any]:
    return {
        "id": row.id,
        "run": row.run,
        "round": row.round,
        "kind": row.kind.value,
        "phase": row.phase,
        "split": row.split,
        "task": row.task_id,
        "type": row.task_type,
        "success": row.success,
        "reward": row.reward,
        "stop_reason": row.stop_reason,
        "steps": row.n_steps,
        "sampled": row.n_sampled,
        "invalid": row.n_invalid,
        "made_up_observations": row.n_made_up,
        "agent": row.policy_version,
        "seconds": row.seconds,
    }
