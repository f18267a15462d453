"""`a3t track`."""

from __future__ import annotations

from typing import Annotated

import typer

from a3t_contracts.cli import console
from a3t_contracts.errors import InvalidInputError

from ..recipe import Recipe
from ..store import get_run
from ..tracking.track import finished_rounds, track_round
from ..tracking.trackers import TRACKERS
from .common import settings_and_store

__all__ = ["app"]

app = typer.Typer(help="Send a run's finished rounds to experiment trackers.")


@app.command()
def track(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    to: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Tracker: {', '.join(TRACKERS)}; may be repeated; default: the trackers of the recipe, else of "
            "A3T_TRACKERS."
        ),
    ] = None,
) -> None:
    """Send the finished rounds of a run to experiment trackers, for runs that were carried out without them.

    Example: `a3t track demo-1 --to wandb`
    """
    settings, store = settings_and_store()
    with store.session() as session:
        rounds, recipe = finished_rounds(session, run), Recipe.model_validate(get_run(session, run).recipe)
    names = list(to or (settings.trackers if recipe.trackers is None else recipe.trackers))
    unknown = [name for name in names if name not in TRACKERS]
    if unknown or not names:
        said = f"There is no tracker {unknown[0]!r}." if unknown else "No tracker is named."
        raise InvalidInputError(said, hint=f"Trackers: {', '.join(TRACKERS)}; name them with --to or A3T_TRACKERS.")
    for number in rounds:
        track_round(store, settings, run, number, names)
    console.print(f"{len(rounds)} rounds of {run} sent to {', '.join(names)}.", highlight=False)
