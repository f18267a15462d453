"""Carries out `a3t annotate`: reads records, asks for reasons or takes them from batch files, rates them, and
writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from pathlib import Path

from a3t_contracts.cli import errors_console, progress_bar
from a3t_contracts.errors import A3TError, InvalidInputError, UnauthorizedError, UnavailableError

from ..settings import ActReSettings
from .batch import Answers
from .files import Output, read_records
from .judge import Judge
from .records import LogDefaults, Record
from .work import Ask, Finished, annotate

__all__ = ["AnnotationReport", "Order", "open_records", "run"]


@dataclass(slots=True)
class AnnotationReport:
    """What the command did. `failed` lines got no reason; the next run tries them again."""

    out: str
    annotated: int = 0
    reasons: int = 0
    fallbacks: int = 0
    cached: int = 0
    skipped: int = 0
    failed: int = 0
    bad_lines: int = 0
    names_no_action: int = 0
    """Number of reasons that do not name their action."""
    leaking: int = 0
    """Number of reasons with words that the agent could not know yet."""
    judged: int = 0
    marks: int = 0
    """Sum of the judge's marks, over `judged` reasons."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Order:
    """The arguments of the command."""

    file: Path
    at_once: int
    again: bool
    defaults: LogDefaults
    answers: Answers | None = None
    judge: Judge | None = None


def open_records(order: Order) -> Iterator[Record]:
    """Yield the valid records, with the answers that are known already."""
    for record in read_records(order.file, lambda _: None, order.defaults):
        if order.again:
            record.forget_reasons()
        if order.answers is not None:
            _answer(record, order.answers)
        yield record


def _answer(record: Record, answers: Answers) -> int:
    """Fill in the answers of a batch, and return their number."""
    settings, found = ActReSettings(), 0
    for index in record.open_steps:
        reason = answers.find(record.id, index, record.query(index), settings)
        if reason is not None:
            record.fill(index, reason)
            found += 1
    return found


async def run(
    order: Order,
    output: Output,
    asker: AbstractAsyncContextManager[Ask],
    total: int,
    report: AnnotationReport,
) -> None:
    """Annotate the records of a file that the output does not have yet; `report` counts what happened."""
    if output.repaired:
        errors_console.print(f"{output.path}: removed an unfinished last line.", highlight=False)
    with progress_bar() as progress:
        bar = progress.add_task("annotating", total=total)

        def on_bad(error: InvalidInputError) -> None:
            report.bad_lines += 1
            progress.advance(bar)
            _complain(order.file, error)

        def todo(record: Record) -> bool:
            if record.id in output.done:
                report.skipped += 1
                progress.advance(bar)
                return False
            if order.again:
                record.forget_reasons()
            if order.answers is not None and not _all_answered(order, record, report):
                progress.advance(bar)
                return False
            return True

        records = filter(todo, read_records(order.file, on_bad, order.defaults))
        async with asker as ask, aclosing(annotate(records, ask, order.at_once)) as finished:
            async for one in finished:
                await _take(order, one, output, report)
                progress.advance(bar)


def _all_answered(order: Order, record: Record, report: AnnotationReport) -> bool:
    if order.answers is None:
        return True
    found = _answer(record, order.answers)
    if missing := len(record.open_steps):
        report.failed += 1
        words = f"line {record.line}: {missing} actions have no usable answer"
        hint = "--batch-out with the same --batch-in writes the remaining requests."
        _complain(order.file, InvalidInputError(words, hint=hint))
        return False
    report.reasons += found
    return True


async def _take(order: Order, finished: Finished, output: Output, report: AnnotationReport) -> None:
    error = finished.error
    if isinstance(error, UnavailableError):
        raise UnavailableError(error.detail, hint="`a3t up` starts the service; --local works without one.")
    if isinstance(error, UnauthorizedError):
        raise error
    if error is not None:
        report.failed += 1
        _complain(order.file, type(error)(f"line {finished.record.line}: {error.detail}", hint=error.hint))
        return
    await _rate(finished.record, order.judge, report)
    output.append(finished.record)
    report.annotated += 1
    report.reasons += finished.reasons
    report.fallbacks += finished.fallbacks
    report.cached += finished.cached


async def _rate(record: Record, judge: Judge | None, report: AnnotationReport) -> None:
    """Rate every reason of a record."""
    for index, query, reason, quality in list(record.explained()):
        if judge is not None:
            quality.judge = await judge.mark(query, reason)
        record.rate(index, quality)
        report.names_no_action += not quality.names_action
        report.leaking += bool(quality.leaks)
        if quality.judge is not None:
            report.judged += 1
            report.marks += quality.judge


def _complain(file: Path, error: A3TError) -> None:
    errors_console.print(f"{file}, {error}", highlight=False, markup=False, soft_wrap=True)
