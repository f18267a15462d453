"""Writes the results of several seeds as a table, as Markdown, JSON and a figure."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from a3t_contracts.cli import console
from a3t_contracts.tables import print_table

from .figures import figure
from .seeds import SeedRound, SeedSplit, SeedsReport
from .stats import Mean
from .text import md_table

__all__ = ["print_seeds", "seeds_markdown", "write_seeds"]

_ABOUT = (
    "Share of the tasks that the agent of a round solves, one greedy trial per task. Means over seeds with 95 % "
    "intervals (Student's t). Accumulated: the best trial of each task over the rounds so far."
)


def write_seeds(found: SeedsReport, folder: Path) -> dict[str, Path]:
    """Write seeds.md, seeds.json and seeds.svg, and return their paths by format."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"md": seeds_markdown(found), "json": found.model_dump_json(indent=2), "svg": _curves(found)}
    paths = {kind: folder / f"seeds.{kind}" for kind in contents}
    for kind, text in contents.items():
        paths[kind].write_text(text, encoding="utf-8")
    return paths


def seeds_markdown(found: SeedsReport) -> str:
    """Return the results as a page of Markdown."""
    runs = [[r.run, str(r.seed), r.commit or "–", _minutes(r.seconds)] for r in found.runs]
    parts = [
        f"# {found.name}: {len(found.runs)} seeds\n",
        f"{found.environment} · base {found.base_model}\n",
        f"{_ABOUT}\n",
    ]
    for split in found.splits:
        heads, rows = _rows(found, split)
        types = [[name, f"{s.successes} of {s.n}", s.percent] for name, s in split.by_type.items()]
        parts += [
            f"## {split.split}, {split.rounds[-1].single[0].n} tasks\n",
            md_table(heads, rows),
            f"{_rise(split)}\n",
            "By type of task, the agents of the last round together, with 95 % Wilson intervals:\n",
            md_table(["type", "solved", "success"], types),
        ]
    parts += ["## Runs\n", md_table(["run", "seed", "commit", "minutes"], runs)]
    return "\n".join(parts)


def print_seeds(found: SeedsReport, screen: Console = console) -> None:
    """Print the table of each split."""
    for split in found.splits:
        heads, rows = _rows(found, split)
        print_table(
            heads, rows, title=f"{found.name} on {split.split}", caption=_rise(split), right=heads[1:], screen=screen
        )


def _rows(found: SeedsReport, split: SeedSplit) -> tuple[list[str], list[list[str]]]:
    heads = ["round", *(f"seed {r.seed}" for r in found.runs), "mean", "accumulated", "mean reward"]
    return heads, [_row(r) for r in split.rounds]


def _row(found: SeedRound) -> list[str]:
    return [
        "base" if found.round is None else str(found.round),
        *(f"{100 * s.rate:.1f} %" for s in found.single),
        found.mean_single.percent,
        "–" if found.round is None else found.mean_accumulated.percent,
        _reward(found.mean_reward),
    ]


def _reward(value: Mean) -> str:
    interval = "" if value.low is None or value.high is None else f" [{max(0, value.low):.2f}–{min(1, value.high):.2f}]"
    return f"{value.mean:.2f}{interval}"


def _rise(split: SeedSplit) -> str:
    """Return a sentence that says how much the last round solves beyond the first one and beyond the base."""
    last = split.rounds[-1]
    told = [
        f"{100 * (last.mean_single.mean - r.mean_single.mean):+.1f} points from "
        f"{'the base' if r.round is None else f'round {r.round}'}"
        for r in split.rounds[:-1]
        if r.round in (None, 0)
    ]
    return f"Round {last.round}: {', '.join(told)} (mean over seeds)." if told else f"Only round {last.round}."


def _minutes(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds / 60:.1f}"


def _curves(found: SeedsReport) -> str:
    with figure() as (axes, svg):
        for number, split in enumerate(found.splits):
            rounds = [r for r in split.rounds if r.round is not None]
            at = [r.round for r in rounds]
            mean = [100 * r.mean_single.mean for r in rounds]
            axes.plot(at, mean, marker="o", color=f"C{number}", label=split.split)
            best = [100 * r.mean_accumulated.mean for r in rounds]
            axes.plot(at, best, "--", marker=".", color=f"C{number}", label=f"{split.split}, accumulated")
            for run in range(len(found.runs)):
                points = [100 * r.single[run].rate for r in rounds]
                axes.scatter(at, points, s=8, color=f"C{number}", alpha=0.5)
        axes.set(xlabel="round", ylabel="success (%)", ylim=(0, 103))
        axes.set_xticks(sorted({r.round for s in found.splits for r in s.rounds if r.round is not None}))
        axes.legend(fontsize=7)
    return svg[0]
