"""The commands of `a3t data … webshop`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from a3t_contracts.cli import JsonOption, console, emit_json, errors_console
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.tables import print_table
from a3t_env.cli import DataCommands, data_home

from .catalogue.build import Progress as OnProgress
from .catalogue.build import build_catalogue
from .catalogue.sources import Source, find_files
from .catalogue.store import Catalogue
from .catalogue.verify import verify_catalogue
from .folders import catalogue_folder, catalogue_names, current_name, make_current
from .generator import GeneratedProducts
from .goals.table import GoalTable

__all__ = ["data_commands"]

NameOption = Annotated[str, typer.Option(help="Name of the catalogue; an existing one of that name is replaced.")]


def import_(
    paths: Annotated[list[Path], typer.Argument(help="Files of the original WebShop, or folders with them.")],
    name: NameOption = "imported",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Number of products to take from the start of the files; default: all.")
    ] = None,
    skip_broken: Annotated[
        bool,
        typer.Option("--skip-broken", help="Leave broken products out and list them; default: stop if there are any."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Import the original's products: items_shuffle*.json, items_ins_v2*.json, items_human_ins*.json.

    Works in bounded memory on files of any size. If it was killed, the same command continues where it stopped.
    """
    _build(find_files(paths, limit), name, "imported", skip_broken=skip_broken, as_json=as_json)


def generate(
    name: NameOption = "generated",
    products: Annotated[int, typer.Option(min=1, help="Number of products to generate.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed; the same seed gives the same products.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Generate a catalogue of products with options, prices and instructions. Needs no network."""
    _build(GeneratedProducts(products, seed), name, "generated", as_json=as_json)


def list_(
    use: Annotated[str | None, typer.Option(help="Make this catalogue the current one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the catalogues. The env service uses the current one."""
    root = data_home("webshop")
    if use is not None:
        _known(use)
        make_current(root, use)
    current = current_name(root)
    rows = [_row(name) | {"current": name == current} for name in catalogue_names(root)]
    if as_json:
        emit_json(rows)
        return
    if not rows:
        console.print("There is no catalogue yet. Run `a3t data generate webshop`.")
        return
    counts = ("products", "goals", "human_goals")
    shown = [
        [row["catalogue"], row["kind"], *(f"{row[c]:,}" for c in counts), "yes" if row["current"] else ""]
        for row in rows
    ]
    print_table(("catalogue", "kind", "products", "goals", "human goals", "current"), shown)


def verify(
    name: Annotated[str | None, typer.Argument(help="Name of the catalogue; default: all catalogues.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check every product and the files of the index. The exit code is 1 if something is wrong."""
    names = [_known(name)] if name else catalogue_names(data_home("webshop"))
    found = {n: verify_catalogue(catalogue_folder(data_home("webshop"), n)) for n in names}
    if as_json:
        emit_json(found)
    for known, problems in ({} if as_json else found).items():
        console.print(f"{known}: {'; '.join(problems) or 'good'}")
    if any(found.values()):
        raise typer.Exit(1)


def _build(source: Source, name: str, kind: str, *, skip_broken: bool = False, as_json: bool) -> None:
    root = data_home("webshop")
    target = catalogue_folder(root, name)
    root.mkdir(parents=True, exist_ok=True)
    with _bar() as report:
        manifest = build_catalogue(source, target, kind, report, skip_broken=skip_broken)
        catalogue = Catalogue(target)
        report("Drawing goals", 0, 1)
        GoalTable(catalogue, "synthetic")
        GoalTable(catalogue, "human")
        report("Drawing goals", 1, 1)
    make_current(root, name)
    row = _row(name)
    if as_json:
        emit_json(row | {"manifest": asdict(manifest)})
        return
    console.print(
        f"Catalogue [bold]{name}[/bold]: {row['products']:,} products, {row['goals']:,} goals, "
        f"{row['human_goals']:,} human goals. It is now the current catalogue."
    )
    for problem in manifest.problems:
        errors_console.print(f"[yellow]Mended:[/yellow] {escape(problem)}", highlight=False)
    for fault in manifest.broken:
        errors_console.print(f"[yellow]Left out:[/yellow] {escape(fault)}", highlight=False)


def _known(name: str) -> str:
    names = catalogue_names(data_home("webshop"))
    if name not in names:
        raise InvalidInputError(f"There is no catalogue {name[:80]!r}.", hint=f"Known: {', '.join(names) or 'none'}.")
    return name


def _row(name: str) -> dict[str, Any]:
    catalogue = Catalogue(catalogue_folder(data_home("webshop"), name))
    return {
        "catalogue": name,
        "kind": catalogue.manifest.kind,
        "products": len(catalogue),
        "goals": len(GoalTable(catalogue, "synthetic")),
        "human_goals": len(GoalTable(catalogue, "human")),
        "mended": catalogue.manifest.mended,
    }


@contextmanager
def _bar() -> Iterator[OnProgress]:
    """A progress bar on stderr, with a line for each stage."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors_console) as progress:
        stages: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = progress.add_task(stage, total=total)
            progress.update(stages[stage], completed=done, total=total)

        yield report


data_commands = DataCommands(import_=import_, generate=generate, list=list_, verify=verify)
