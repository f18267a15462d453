"""The command `a3t pretrain`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.cli import JsonOption, console, emit_json, errors_console
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.settings import CommonSettings

from .settings import default_settings

if TYPE_CHECKING:
    from .record import Verdict

app = typer.Typer(add_completion=False)
_DEFAULTS = default_settings("alfworld")


def _usual(name: str) -> str:
    """The defaults of an option, for its help."""
    household, shop = (getattr(default_settings(e), name) for e in ("alfworld", "webshop"))
    return f"[default: {household:,}; webshop: {shop:,}]".replace("[", "\\[")


@app.command()
def pretrain(
    folder: Annotated[Path, typer.Argument(help="Folder of the finished model; intermediate files go to FOLDER/work.")],
    environment: Annotated[
        Literal["alfworld", "webshop"], typer.Option(help="Environment that the model is for.")
    ] = "alfworld",
    seed: Annotated[int, typer.Option(min=0, help="Seed; the same seed gives the same model.")] = _DEFAULTS.seed,
    games: Annotated[
        int | None,
        typer.Option(min=1, help=f"Number of generated games; webshop: of products. {_usual('games')}"),
    ] = None,
    exercises: Annotated[
        int | None, typer.Option(min=1, help=f"Number of exercises in the corpus. {_usual('exercises')}")
    ] = None,
    tokens: Annotated[int | None, typer.Option(min=1, help=f"Number of training tokens. {_usual('tokens')}")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Number of CPU threads of the training.")] = _DEFAULTS.threads,
    env_url: Annotated[
        str | None, typer.Option(help="Address of a running env service; default: one is started.")
    ] = None,
    actre_url: Annotated[
        str | None, typer.Option(help="Address of a running ActRe service; default: one is started.")
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(
            metavar="BASE",
            help="Make only the corpus and the first 200 steps of a finished base, such as a3t/tiny, with the "
            "base's settings, and compare them with its record.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a tiny base model from scratch on exercises in generated games. If it was stopped, the same command
    continues.
    """
    if (env_url is None) != (actre_url is None):
        raise InvalidInputError("--env-url and --actre-url must be given together.", hint="Give both, or none.")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from .run import Services
    from .run import check as check_start
    from .run import pretrain as make

    settings = default_settings(
        environment, seed=seed, games=games, exercises=exercises, tokens=tokens, threads=threads
    )
    token = CommonSettings().token.get_secret_value()
    services = Services(env_url, actre_url, token) if env_url and actre_url else None
    if check is not None:
        with _Bars() as bars:
            verdict = check_start(folder, Path(resolve_base_model(check)), bars.report, services)
        _tell_verdict(verdict, as_json)
        raise typer.Exit(0 if verdict.same else 1)
    with _Bars() as bars:
        make(folder, settings, bars.report, services)
    _tell(folder, as_json)


class _Bars:
    """One progress bar per stage, on stderr."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self._progress = Progress(*columns, console=errors_console)
        self._ids: dict[str, int] = {}

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()

    def report(self, stage: str, done: int, total: int, loss: float | None) -> None:
        if stage not in self._ids:
            self._ids[stage] = self._progress.add_task(stage, total=total, note="")
        note = "" if loss is None else f"loss {loss:.3f}"
        self._progress.update(self._ids[stage], completed=done, note=note)  # type: ignore[arg-type]


def _tell_verdict(verdict: Verdict, as_json: bool) -> None:
    if as_json:
        emit_json(verdict.model_dump())
    else:
        console.print(f"{'Reproduced' if verdict.same else 'Not reproduced'}. {verdict.detail}")


def _tell(folder: Path, as_json: bool) -> None:
    import json

    facts = json.loads((folder / "pretraining.json").read_text(encoding="utf-8"))
    if as_json:
        emit_json({"folder": str(folder), **facts})
        return
    console.print(f"The model is in {folder}. Share of correct turns in held-out exercises:")
    for verb, share in facts["turns_right"].items():
        console.print(f"  {verb:<8} {share:.1%}")
