"""Writes the report as tables, on a terminal and in Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.console import Console

from a3t_contracts.cli import console
from a3t_contracts.schemas import PublishedFigures
from a3t_contracts.tables import print_table

from .model import Evaluated, Report, RoundReport
from .stats import Score

__all__ = ["markdown", "md_table", "print_rounds", "round_rows", "splits_of"]

_NONE = "–"
_PERCENT = re.compile(r"([\d.]+) % \[([\d.]+)–([\d.]+)\]")


def splits_of(report: Report) -> list[str]:
    """Return the held-out splits that were evaluated."""
    return sorted({e.split for r in report.rounds for e in r.evaluations} | {e.split for e in report.base})


def round_rows(report: Report) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of the table of rounds."""
    splits = splits_of(report)
    heads = ["round", "agent", "training tasks", *splits, *(f"{s} accumulated" for s in splits)]
    heads += ["composed", "kept", "hindsight", "set (+/−)", "loss", "seconds"]
    rows = [_base_row(report, splits)] if report.base else []
    rows += [_row(r, splits) for r in report.rounds]
    if any(r.composition.hindsight for r in report.rounds):
        return heads, rows
    left_out = heads.index("hindsight")
    return [*heads[:left_out], *heads[left_out + 1 :]], [row[:left_out] + row[left_out + 1 :] for row in rows]


def print_rounds(report: Report, screen: Console = console) -> None:
    """Print the table of rounds at the end of a run."""
    heads, rows = round_rows(report)
    shown = [i for i, head in enumerate(heads) if head != "agent"]
    narrow = [_narrow_head(heads[i]) for i in shown]
    print_table(
        narrow,
        [[_narrow_cell(row[i]) for i in shown] for row in rows],
        title=f"{report.run}: {report.status}",
        caption="success with 95 % Wilson intervals, one trial per task",
        right=narrow,
        screen=screen,
    )


def _narrow_head(head: str) -> str:
    short = {"training tasks": "train", "composed": "tried", "seconds": "s", "set (+/−)": "set\n+/−"}
    return short.get(head, head.replace(" accumulated", "\naccum.").replace("_", "\n"))


def _narrow_cell(cell: str) -> str:
    """Return a score on two lines, rounded to whole percents."""
    found = _PERCENT.fullmatch(cell)
    if found is None:
        return cell
    rate, low, high = (float(part) for part in found.groups())
    return f"{rate:.0f} %\n{low:.0f}–{high:.0f}"


def markdown(report: Report) -> str:
    """Return the whole report in Markdown."""
    heads, rows = round_rows(report)
    parts = [
        f"# {report.run}\n",
        f"{report.environment} · base {report.base_model} · seed {report.seed} · commit {report.commit or _NONE} · "
        f"{report.status} · recipe {report.recipe_sha256[:12]}\n",
        "## Rounds\n\nSuccess in one trial per task, with 95 % Wilson intervals. Accumulated: the best trial of "
        "each task over the rounds so far.\n",
        md_table(heads, rows),
        *_type_tables(report),
        *([_published_table(report, report.published)] if report.published else []),
        *_hindsight_table(report),
        _failure_table(report),
        _time_table(report),
    ]
    if report.lost:
        parts.append("## Lost episodes\n\n" + "\n".join(f"- {line}" for line in report.lost) + "\n")
    return "\n".join(parts)


def _base_row(report: Report, splits: Sequence[str]) -> list[str]:
    found = {e.split: e for e in report.base}
    singles = [found[s].single.percent if s in found else _NONE for s in splits]
    return ["base", report.base_model, _NONE, *singles, *[_NONE] * (len(splits) + 6)]


def _row(r: RoundReport, splits: Sequence[str]) -> list[str]:
    found: dict[str, Evaluated] = {e.split: e for e in r.evaluations}
    singles = [found[s].single.percent if s in found else _NONE for s in splits]
    best = [found[s].accumulated.percent if s in found else _NONE for s in splits]
    return [
        str(r.round),
        r.version or _NONE,
        r.training.percent if r.training else _NONE,
        *singles,
        *best,
        str(r.composition.composed or r.demonstrations),
        str(r.composition.kept or r.demonstrations),
        str(r.composition.hindsight),
        f"{r.training_successes}/{r.training_failures}",
        _NONE if r.loss is None else f"{r.loss:.4g}",
        f"{sum(r.spent.seconds.values()):.0f}",
    ]


def _type_tables(report: Report) -> list[str]:
    parts = []
    for split in splits_of(report):
        scores: dict[int, dict[str, Score]] = {
            r.round: e.by_type for r in report.rounds for e in r.evaluations if e.split == split
        }
        types = sorted({name for by_type in scores.values() for name in by_type})
        rows = [
            [str(number), *(by_type[t].percent if t in by_type else _NONE for t in types)]
            for number, by_type in scores.items()
        ]
        parts.append(f"## {split}, by task type\n\n{md_table(['round', *types], rows)}")
    return parts


def _published_table(report: Report, paper: PublishedFigures) -> str:
    rows = []
    for index, (single, best) in enumerate(zip(paper.single, paper.accumulated, strict=True)):
        ours = next((r for r in report.rounds if r.round == index), None)
        mine = ", ".join(f"{e.split} {e.single.percent}" for e in ours.evaluations) if ours else _NONE
        size = f"{ours.training_successes}/{ours.training_failures}" if ours else _NONE
        theirs = _NONE
        if index < len(paper.training_set):
            total, failed = paper.training_set[index]
            theirs = f"{total - failed}/{failed}"
        rows.append([str(index), mine or _NONE, f"{single:g} %", f"{best:g} %", size, theirs])
    heads = ["round", "this run", "published", "published, accumulated", "training set (+/−)", "published set (+/−)"]
    return f"## Compared with published figures ({paper.test_set})\n\n{md_table(heads, rows)}"


def _hindsight_table(report: Report) -> list[str]:
    types = sorted({name for r in report.rounds for name in r.hindsight})
    if not types:
        return []
    rows = [[str(r.round), *(str(r.hindsight.get(name, 0)) for name in types)] for r in report.rounds if r.hindsight]
    about = "Failed composed episodes that solved another task and became successes of it; none of them counts as kept."
    return [f"## Hindsight, by task type\n\n{about}\n\n{md_table(['round', *types], rows)}"]


def _failure_table(report: Report) -> str:
    rows = [
        [str(r.round), phase, *(str(reasons.get(name, 0)) for name in _REASONS), str(r.made_up_observations[phase])]
        for r in report.rounds
        for phase, reasons in r.stop_reasons.items()
    ]
    heads = ["round", "phase", *_REASONS, "turns with a made-up observation"]
    return f"## How episodes ended\n\n{md_table(heads, rows)}"


_REASONS = ("success", "done", "max_steps", "max_invalid", "max_stale", "context", "error")


def _time_table(report: Report) -> str:
    phases = list(dict.fromkeys(p for r in report.rounds for p in r.spent.seconds))
    rows = [
        [
            str(r.round),
            *(f"{r.spent.seconds.get(p, 0):.1f}" for p in phases),
            str(r.spent.episodes),
            str(r.spent.prompt_tokens),
            str(r.spent.completion_tokens),
        ]
        for r in report.rounds
    ]
    heads = ["round", *(f"{p} (s)" for p in phases), "episodes", "prompt tokens", "generated tokens"]
    return f"## Time and tokens\n\n{md_table(heads, rows)}"


def md_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"
