"""Draws the report's figures as SVG."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from matplotlib.figure import Figure

from .model import Report
from .text import splits_of

__all__ = ["figure", "figures"]

_SIZE = (5.2, 3.4)


def figures(report: Report) -> dict[str, str]:
    """Return the figures of a report as inline SVG, by title."""
    made = {}
    if any(r.evaluations for r in report.rounds):
        made["Success over the rounds"] = _curves(report)
    made["The training set"] = _growth(report)
    if report.kept:
        made["Composed episodes kept per task"] = _kept(report)
    return made


def _curves(report: Report) -> str:
    with figure() as (axes, svg):
        for colour, split in enumerate(splits_of(report)):
            points = [(r.round, e) for r in report.rounds for e in r.evaluations if e.split == split]
            rounds = [number for number, _ in points]
            single = [100 * e.single.rate for _, e in points]
            low = [100 * (e.single.rate - e.single.low) for _, e in points]
            high = [100 * (e.single.high - e.single.rate) for _, e in points]
            axes.errorbar(rounds, single, yerr=[low, high], marker="o", capsize=3, color=f"C{colour}", label=split)
            best = [100 * e.accumulated.rate for _, e in points]
            axes.plot(rounds, best, "--", marker=".", color=f"C{colour}", label=f"{split}, accumulated")
        if report.published:
            paper = report.published
            axes.plot(range(len(paper.single)), paper.single, ":", color="grey", label=f"published ({paper.test_set})")
        axes.set(xlabel="round", ylabel="success (%)", ylim=(0, 103))
        axes.set_xticks(sorted({r.round for r in report.rounds}))
        axes.legend(fontsize=7)
    return svg[0]


def _growth(report: Report) -> str:
    with figure() as (axes, svg):
        rounds = [r.round for r in report.rounds]
        good = [r.training_successes for r in report.rounds]
        axes.bar(rounds, good, label="successes", color="C2")
        axes.bar(rounds, [r.training_failures for r in report.rounds], bottom=good, label="failures", color="C3")
        axes.set(xlabel="round", ylabel="trajectories")
        axes.set_xticks(rounds)
        axes.legend(fontsize=7)
    return svg[0]


def _kept(report: Report) -> str:
    with figure() as (axes, svg):
        counts = [k.kept for k in report.kept]
        axes.bar(range(len(counts)), counts, width=1.0, color="C0")
        axes.set(xlabel="failed task, by episodes kept", ylabel="composed episodes kept")
    return svg[0]


@contextmanager
def figure() -> Iterator[tuple[Any, list[str]]]:
    """Yield axes to draw on, and a list that has the SVG after the block."""
    figure = Figure(figsize=_SIZE, layout="tight")
    svg: list[str] = []
    yield figure.subplots(), svg
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    svg.append(text[text.index("<svg") :])
