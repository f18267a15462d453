"""The command of the replay. It prints the agreement and every difference; the exit code is 1 if too much differs."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from a3t_contracts.cli import JsonOption, console, emit_json, guarded
from a3t_contracts.tables import Cell, print_table

from .report import Agreement
from .run import open_shop, replay

app = typer.Typer(add_completion=False)
_SHOWN = 150


@app.command()
def main(
    catalogue: Annotated[
        Path, typer.Option(help="Folder of a catalogue, or folder with the files of the original WebShop.")
    ],
    reference: Annotated[Path, typer.Option(help="Folder with the recordings.")],
    kind: Annotated[
        list[str] | None, typer.Option(help="Only recordings of this kind; may be repeated. Default: all kinds.")
    ] = None,
    pay_again: Annotated[
        bool, typer.Option(help="Whether a second purchase gives a reward again, as in the original.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Replay recordings of the original against this implementation."""
    with open_shop(catalogue) as shop:
        found = replay(shop, reference, pay_once=not pay_again, kinds=kind or ())
    if as_json:
        emit_json([asdict(a) | {"share": a.share, "good": a.good} for a in found])
    else:
        _print(found)
    if not all(agreement.good for agreement in found):
        raise typer.Exit(1)


def _print(found: list[Agreement]) -> None:
    rows: list[list[Cell]] = []
    for a in found:
        verdict = Text("good") if a.good else Text("too little", "red")
        rows.append([a.kind, f"{a.checked:,}", f"{a.equal:,}", f"{a.share:.4%}", f"{a.wanted:.1%}", verdict])
    print_table(("recording", "checked", "equal", "share", "wanted", "verdict"), rows)
    for agreement in found:
        for d in agreement.differences:
            reason = f" ({d.reason})" if d.reason else ""
            console.print(f"{agreement.kind}: {d.where}: {', '.join(d.fields)}{reason}", markup=False, highlight=False)
            console.print(f"  ours     {str(d.ours[0])[:_SHOWN]!r}", markup=False, highlight=False)
            console.print(f"  recorded {str(d.recorded[0])[:_SHOWN]!r}", markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(guarded(app))
