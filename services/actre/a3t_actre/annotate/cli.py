"""The command `a3t annotate`."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from pydantic import Field
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from a3t_contracts.cli import JsonOption, console, emit_json, errors_console
from a3t_contracts.errors import A3TError, ForbiddenError, InvalidInputError, UnauthorizedError, UnavailableError
from a3t_contracts.settings import CommonSettings
from a3t_contracts.stack import stack_url

from ..settings import ActReSettings
from .files import Output, count_lines, read_records
from .records import Record
from .work import Ask, Finished, annotate, ask_local, ask_service

__all__ = ["app"]

app = typer.Typer(add_completion=False, help="Write the reasons of actions into logs of episodes.")


class AnnotateSettings(CommonSettings):
    """Address and token of the ActRe service: A3T_ACTRE_URL, A3T_TOKEN."""

    actre_url: str | None = Field(None, description="Address of the ActRe service; unset: that of `a3t up`")

    @property
    def service_url(self) -> str:
        """The address that is set, else that of the stack of this A3T_HOME, else the usual port."""
        return self.actre_url or stack_url(self.home, "actre") or "http://127.0.0.1:8103"


@dataclass(slots=True)
class AnnotationReport:
    """What the command did. Lines that `failed` got no reason; the next run tries them again."""

    out: str
    annotated: int = 0
    reasons: int = 0
    fallbacks: int = 0
    cached: int = 0
    skipped: int = 0
    failed: int = 0
    bad_lines: int = 0
    seconds: float = 0.0


@app.command()
def annotate_command(
    file: Annotated[Path, typer.Argument(help="JSONL file with one episode per line (action log or trajectory).")],
    out: Annotated[
        Path | None, typer.Option(help="File to write; default: FILE with the ending .annotated.jsonl.")
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Write the reasons in this process, without an ActRe service.")
    ] = False,
    url: Annotated[str | None, typer.Option(help="Address of the ActRe service; default: A3T_ACTRE_URL.")] = None,
    annotator: Annotated[
        str | None,
        typer.Option(help="Annotator: template, llm, or an installed plug-in; default: that of the service."),
    ] = None,
    at_once: Annotated[
        int, typer.Option(min=1, max=512, help="Number of episodes that are annotated at the same time.")
    ] = 16,
    again: Annotated[bool, typer.Option("--again", help="Also replace reasons that steps have already.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a reason for every action of FILE. Repeat the command to continue after an interruption."""
    target = out or file.with_name(f"{file.name.removesuffix('.jsonl')}.annotated.jsonl")
    if target.resolve() == file.resolve():
        raise InvalidInputError(f"--out {target} is the input itself.")
    total, report = count_lines(file), AnnotationReport(str(target))
    started = time.perf_counter()
    try:
        with Output(target) as output:
            asyncio.run(_run(file, output, _asker(local, url, annotator, at_once), at_once, again, total, report))
    finally:
        report.seconds = round(time.perf_counter() - started, 3)
        emit_json(asdict(report)) if as_json else _show(report)
    if report.bad_lines or report.failed:
        raise typer.Exit(2 if report.bad_lines else 1)


def _asker(local: bool, url: str | None, annotator: str | None, at_once: int) -> AbstractAsyncContextManager[Ask]:
    if local:
        return ask_local(ActReSettings(), annotator)
    settings = AnnotateSettings()
    return ask_service(url or settings.service_url, settings.token.get_secret_value(), annotator, at_once)


async def _run(
    file: Path,
    output: Output,
    asker: AbstractAsyncContextManager[Ask],
    at_once: int,
    again: bool,
    total: int,
    report: AnnotationReport,
) -> None:
    if output.repaired:
        errors_console.print(f"{output.path}: cut off an unfinished last line.", highlight=False)
    with _progress() as progress:
        bar = progress.add_task("annotating", total=total)

        def on_bad(error: InvalidInputError) -> None:
            report.bad_lines += 1
            progress.advance(bar)
            _complain(file, error)

        def todo(record: Record) -> bool:
            if record.id in output.done:
                report.skipped += 1
                progress.advance(bar)
                return False
            if again:
                record.forget_reasons()
            return True

        records = filter(todo, read_records(file, on_bad))
        async with asker as ask, aclosing(annotate(records, ask, at_once)) as finished:
            async for one in finished:
                _take(file, one, output, report)
                progress.advance(bar)


def _take(file: Path, finished: Finished, output: Output, report: AnnotationReport) -> None:
    error = finished.error
    if isinstance(error, UnavailableError):
        raise UnavailableError(error.detail, hint="`a3t up` starts the service; --local works without one.")
    if isinstance(error, UnauthorizedError | ForbiddenError):
        raise error
    if error is not None:
        report.failed += 1
        _complain(file, type(error)(f"line {finished.record.line}: {error.detail}", hint=error.hint))
        return
    output.append(finished.record)
    report.annotated += 1
    report.reasons += finished.reasons
    report.fallbacks += finished.fallbacks
    report.cached += finished.cached


def _complain(file: Path, error: A3TError) -> None:
    errors_console.print(f"{file}, {error}", highlight=False, markup=False, soft_wrap=True)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors_console,
        disable=not errors_console.is_terminal,
        transient=True,
    )


def _show(report: AnnotationReport) -> None:
    parts = [f"{report.annotated} episodes with {report.reasons} new reasons in {report.seconds:.1f} s"]
    counts = {
        "done before": report.skipped,
        "reasons by fallback": report.fallbacks,
        "from the cache": report.cached,
        "failed": report.failed,
        "bad lines": report.bad_lines,
    }
    parts += [f"{count} {name}" for name, count in counts.items() if count]
    console.print(f"{', '.join(parts)}: {report.out}", highlight=False, soft_wrap=True)
