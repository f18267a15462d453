"""The command `a3t annotate`."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from pydantic import Field

from a3t_contracts.cli import JsonOption, console, emit_json, errors_console
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.settings import CommonSettings
from a3t_contracts.stack import stack_url

from ..settings import ActReSettings
from .batch import Answers, write_batch
from .estimate import Estimate, estimate, first_reason_seconds
from .files import Output, count_lines
from .judge import Judge
from .records import LogDefaults
from .run import AnnotationReport, Order, open_records, run
from .work import Ask, ask_local, ask_service

__all__ = ["app"]

app = typer.Typer(add_completion=False, help="Write the reasons of actions into logs of episodes.")


class AnnotateSettings(CommonSettings):
    """Address and token of the ActRe service: A3T_ACTRE_URL, A3T_TOKEN."""

    actre_url: str | None = Field(None, description="Address of the ActRe service; unset: that of `a3t up`")

    @property
    def service_url(self) -> str:
        """The address that is set, else that of the services that `a3t up` started in this A3T_HOME, else the
        default port.
        """
        return self.actre_url or stack_url(self.home, "actre") or "http://127.0.0.1:8103"


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
    environment: Annotated[
        str | None, typer.Option(help="Name of the environment for action logs that do not name one.")
    ] = None,
    about: Annotated[
        str,
        typer.Option(
            help="What the agent does and which actions it has, for logs without `about`; @FILE reads it from a file."
        ),
    ] = "",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only estimate time, tokens and price; writes one reason to measure its time."),
    ] = False,
    price_in: Annotated[float | None, typer.Option(min=0, help="Price of a million prompt tokens in dollars.")] = None,
    price_out: Annotated[
        float | None, typer.Option(min=0, help="Price of a million completion tokens in dollars.")
    ] = None,
    judge: Annotated[
        bool, typer.Option("--judge", help="Let the LLM at A3T_ACTRE_UPSTREAM_URL mark every reason from 1 to 5.")
    ] = False,
    batch_out: Annotated[
        Path | None, typer.Option(help="Only write the requests to this file, for OpenAI's batch API.")
    ] = None,
    batch_model: Annotated[str, typer.Option(help="Model in the requests of --batch-out.")] = "gpt-4o-mini",
    batch_in: Annotated[
        list[Path] | None,
        typer.Option(help="Output file of the batch API, with answers to use as reasons; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a reason for every action of FILE. Repeat the command to continue after an interruption.

    The output says of each reason whether it names its action, and which of its words the agent could not know yet.
    """
    target = out or file.with_name(f"{file.name.removesuffix('.jsonl')}.annotated.jsonl")
    if target.resolve() == file.resolve():
        raise InvalidInputError(f"--out {target} is the input file.", hint="Name another file with --out.")
    settings = ActReSettings()
    answers = Answers(batch_in) if batch_in else None
    order = Order(file, at_once, again, LogDefaults(environment, _read_about(about)), answers)
    if batch_out is not None:
        _write_batch(order, batch_out, batch_model, settings, as_json)
        return
    asker = _asker(local, url, annotator, at_once)
    if dry_run:
        told = asyncio.run(_estimate(order, asker, settings, price_in, price_out))
        emit_json(asdict(told)) if as_json else console.print(told.words(), highlight=False)
        return
    if not as_json and errors_console.is_terminal:
        errors_console.print(estimate(open_records(order), settings, price_in, price_out).words(), highlight=False)
    total, report = count_lines(file), AnnotationReport(str(target))
    started = time.perf_counter()
    try:
        with Output(target) as output:
            asyncio.run(_judged_run(order, output, asker, total, report, settings if judge else None))
    finally:
        report.seconds = round(time.perf_counter() - started, 3)
        emit_json(asdict(report)) if as_json else _show(report)
    if report.bad_lines or report.failed:
        raise typer.Exit(2 if report.bad_lines else 1)


def _read_about(about: str) -> str:
    if not about.startswith("@"):
        return about
    try:
        return Path(about[1:]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"--about {about} cannot be read: {error}") from error


def _write_batch(order: Order, target: Path, model: str, settings: ActReSettings, as_json: bool) -> None:
    """Write requests for the actions without an answer. The history in a request lacks the reasons that are asked
    for in the same batch.
    """
    files = write_batch(open_records(order), target, model, settings)
    if as_json:
        emit_json({"files": {str(path): count for path, count in files}, "model": model})
        return
    for path, count in files:
        console.print(f"{count} questions: {path}", highlight=False)


async def _estimate(
    order: Order,
    asker: AbstractAsyncContextManager[Ask],
    settings: ActReSettings,
    price_in: float | None,
    price_out: float | None,
) -> Estimate:
    told = estimate(open_records(order), settings, price_in, price_out)
    first = next((record for record in open_records(order) if record.open_steps), None)
    if first is None:
        return told
    async with asker as ask:
        seconds = await first_reason_seconds(first, ask)
    return replace(told, seconds=round(seconds * told.reasons / min(order.at_once, told.episodes), 3))


async def _judged_run(
    order: Order,
    output: Output,
    asker: AbstractAsyncContextManager[Ask],
    total: int,
    report: AnnotationReport,
    judge_settings: ActReSettings | None,
) -> None:
    if judge_settings is None:
        await run(order, output, asker, total, report)
        return
    async with Judge(judge_settings) as judge:
        await run(replace(order, judge=judge), output, asker, total, report)


def _asker(local: bool, url: str | None, annotator: str | None, at_once: int) -> AbstractAsyncContextManager[Ask]:
    if local:
        return ask_local(ActReSettings(), annotator)
    settings = AnnotateSettings()
    return ask_service(url or settings.service_url, settings.token.get_secret_value(), annotator, at_once)


def _show(report: AnnotationReport) -> None:
    parts = [f"{report.annotated} episodes with {report.reasons} new reasons in {report.seconds:.1f} s"]
    counts = {
        "done before": report.skipped,
        "reasons by the fallback annotator": report.fallbacks,
        "from the cache": report.cached,
        "failed": report.failed,
        "bad lines": report.bad_lines,
        "reasons that do not name the action": report.names_no_action,
        "reasons with words that the agent could not know yet": report.leaking,
    }
    parts += [f"{count} {name}" for name, count in counts.items() if count]
    if report.judged:
        parts.append(f"mean mark {report.marks / report.judged:.2f} for {report.judged} reasons")
    console.print(f"{', '.join(parts)}: {report.out}", highlight=False, soft_wrap=True)
