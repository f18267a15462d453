"""The commands of `a3t data … alfworld`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from a3t_contracts.cli import JsonOption, console, emit_json, errors_console
from a3t_contracts.errors import InvalidInputError
from a3t_env.cli import DataCommands, data_home
from a3t_env.cli.games import list_games, progress_bar, refuse_unknown_split, report_faults

from .data.fetch import ARCHIVES, fetch_archive
from .data.importer import import_games
from .data.store import Added, GameStore
from .data.verify import verify_games
from .generator import HELDOUT_SPLIT, TRAIN_SPLIT, generate_games, stage
from .native.grammar import VerbForm

__all__ = ["data_commands"]

_DEFAULT_ARCHIVES = ("json", "pddl", "tw-pddl")

ReplaceOption = Annotated[
    bool, typer.Option("--replace", help="Also replace games that are here in the other verb form.")
]
SkipOption = Annotated[
    bool,
    typer.Option(
        "--skip-broken", help="Leave broken games out and list them; default: import nothing if a game is broken."
    ),
]


def fetch(
    archive: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(ARCHIVES)}; may be repeated. Default: all.")
    ] = None,
    replace: ReplaceOption = False,
    skip_broken: SkipOption = False,
    as_json: JsonOption = False,
) -> None:
    """Download the official archives and import their games. An interrupted download is continued."""
    names = archive or list(_DEFAULT_ARCHIVES)
    unknown = [name for name in names if name not in ARCHIVES]
    if unknown:
        raise InvalidInputError(f"There is no archive {unknown[0]!r}.", hint=f"One of {', '.join(ARCHIVES)}.")
    folder = data_home("alfworld") / "archives"
    paths = []
    for name in names:
        with progress_bar(f"Fetching {name}") as advance:
            paths.append(fetch_archive(ARCHIVES[name], folder, advance))
    with progress_bar("Checking games") as advance:
        added = import_games(_store(), paths, replace=replace, skip_broken=skip_broken, progress=advance)
    _report(added, as_json=as_json)


def import_(
    source: Annotated[
        list[Path], typer.Argument(help="Folder, zip or tar archive (.gz, .bz2, .xz) in the official layout.")
    ],
    split: Annotated[str | None, typer.Option(help="Name of the split; default: that of the source.")] = None,
    replace: ReplaceOption = False,
    skip_broken: SkipOption = False,
    as_json: JsonOption = False,
) -> None:
    """Import games from folders or archives. If some games are broken, they are named and none is imported.

    The older release says "put X in/on Y", the newer "move X to Y", under the same task ids. To keep both, import one
    of them under another name of a split: --split valid_seen_put.
    """
    with progress_bar("Checking games") as advance:
        added = import_games(_store(), source, split, replace=replace, skip_broken=skip_broken, progress=advance)
    _report(added, as_json=as_json)


def generate(
    games: Annotated[int, typer.Option(min=0, help="Number of games on the floor plans for training.")] = 600,
    heldout: Annotated[
        int | None, typer.Option(min=0, help="Number of games on other floor plans; default: a fifth of --games.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed; the same seed gives the same games.")] = 0,
    verb_form: Annotated[
        str,
        typer.Option(help='Verb for putting an object down: "move" as in the newer release, "put" as in the older.'),
    ] = "move",
    as_json: JsonOption = False,
) -> None:
    """Generate games of all six types (splits generated_train, generated_heldout). Needs no network."""
    forms: dict[str, VerbForm] = {"move": "move", "put": "put"}
    if verb_form not in forms:
        raise InvalidInputError(f"There is no verb form {verb_form!r}.", hint="move or put")
    counts = {TRAIN_SPLIT: games, HELDOUT_SPLIT: games // 5 if heldout is None else heldout}
    store, total = _store(), sum(counts.values())
    with store.batch() as batch, progress_bar("Generating games") as advance:
        done = 0
        for split, count in counts.items():
            for game in generate_games(split, count, seed, forms[verb_form]):
                stage(batch, split, game)
                done += 1
                advance(done, total)
        added = batch.commit(replace=True)
    _report(added, as_json=as_json)


def list_(
    split: Annotated[str | None, typer.Option(help="Show the tasks of this split.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the splits with their numbers of games, or the tasks of one split."""
    list_games(
        _store().index(),
        split,
        lambda e: {"task": e.id, "type": e.type, "verb_form": e.verb_form, "instruction": e.instruction},
        if_none="There are no games yet. Run `a3t data generate alfworld`, `import` or `fetch`.",
        as_json=as_json,
    )


def verify(
    split: Annotated[str | None, typer.Option(help="Only games of this split; default: all splits.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that the file of every indexed game exists, is unchanged and can be played; the exit code is 1 if not."""
    store = _store()
    index = store.index()
    refuse_unknown_split(split, index)
    total = sum(1 for _ in index.of(split))
    faults = []
    with progress_bar("Verifying games") as advance:
        for number, fault in enumerate(verify_games(store, split), 1):
            advance(number, total)
            if fault is not None:
                faults.append({"task": fault.id, "problem": fault.problem})
    report_faults(total, faults, as_json=as_json)


def _store() -> GameStore:
    return GameStore(data_home("alfworld"))


def _report(added: Added, *, as_json: bool) -> None:
    if as_json:
        emit_json(
            {"added": added.games, "unchanged": added.unchanged, "excluded": added.excluded, "broken": added.broken}
        )
        return
    for split, count in added.games.items():
        console.print(f"{split}: {count} games added.")
    if added.unchanged:
        console.print(f"{added.unchanged} games were here already.")
    for reason, count in added.excluded.items():
        console.print(f"{count} left out: {reason}.")
    for fault in added.broken:
        errors_console.print(f"Left out: {fault}", markup=False, highlight=False)


def _seed(games: int) -> bool:
    if GameStore(data_home("alfworld")).index().splits():
        return False
    generate(games=games, heldout=None, seed=0, verb_form="move", as_json=True)
    return True


data_commands = DataCommands(fetch=fetch, import_=import_, generate=generate, list=list_, verify=verify, seed=_seed)
