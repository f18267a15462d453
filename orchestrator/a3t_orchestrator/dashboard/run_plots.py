"""Makes the plots of a run, and plots that compare several runs, from their reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from a3t_contracts.schemas import JobEvent, PublishedFigures

from ..report.model import Evaluated, Report, RoundReport
from ..report.stats import Score
from ..report.text import splits_of
from .plots import REFERENCE, Plot, Series, colour

__all__ = ["HeatMap", "heat_maps", "loss_plots", "overlaid", "set_plot", "success_plots"]

_MOST_STEPS = 500
_INTERVALS = "The bands are 95 % Wilson intervals; one trial per task."


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Success on a split by task type (rows) and round (columns)."""

    split: str
    rounds: list[int]
    rows: list[tuple[str, list[Score | None]]]


def success_plots(report: Report) -> list[Plot]:
    """Make one plot for each held-out split: single-trial and accumulated success, with the published results of
    others."""
    return [_success_plot(report, split) for split in splits_of(report) if _evaluated(report, split)]


def heat_maps(report: Report) -> list[HeatMap]:
    """Make one heat map for each held-out split that was evaluated."""
    maps = []
    for split in splits_of(report):
        found = _evaluated(report, split)
        types = sorted({name for e in found.values() for name in e.by_type})
        rows = [(name, [e.by_type.get(name) for e in found.values()]) for name in types]
        if rows:
            maps.append(HeatMap(split, list(found), rows))
    return maps


def set_plot(report: Report) -> Plot | None:
    """Make the plot of the training set's size by round; None before the first training set."""
    rounds = [r for r in report.rounds if r.training_successes or r.training_failures]
    if not rounds:
        return None
    failures: list[float | None] = [float(r.training_failures) for r in rounds]
    series = [
        Series(
            name="with failures",
            values=[float(r.training_successes + r.training_failures) for r in rounds],
            colour=3,
            bars=True,
        ),
        Series(name="successes", values=[float(r.training_successes) for r in rounds], colour=2, bars=True),
    ]
    if not any(failures):
        series = series[1:]
    return Plot(
        title="Training set",
        x_label="round",
        y_label="trajectories",
        x=[float(r.round) for r in rounds],
        series=series,
        digits=0,
    )


def loss_plots(events: Sequence[JobEvent], version: str) -> list[Plot]:
    """Make plots of a fine-tuning job's loss, and of its parts per token, over the optimiser steps; none before the
    first step."""
    points = {
        int(event.data["step"]): event.data
        for event in events
        if event.type == "metrics" and event.data is not None and "step" in event.data
    }
    steps = _thinned(sorted(points))
    losses: list[float | None] = [points[step].get("loss") for step in steps]
    parts: list[dict[str, float]] = [points[step].get("loss_parts") or {} for step in steps]
    names = list(dict.fromkeys(name for found in parts for name in found))
    drawn = [Series(name="loss", values=losses, colour=1)]
    series = [Series(name=name, values=[p.get(name) for p in parts], colour=colour(i)) for i, name in enumerate(names)]
    plots = [_loss_plot(f"Training of {version}", "loss", steps, drawn)]
    if series:
        plots.append(_loss_plot("Its parts", "nats per token", steps, series))
    return plots if steps else []


def _loss_plot(title: str, y_label: str, steps: Sequence[int], series: list[Series]) -> Plot:
    x = [float(step) for step in steps]
    return Plot(title=title, x_label="optimiser step", y_label=y_label, x=x, series=series, digits=3)


def overlaid(reports: Sequence[Report]) -> list[Plot]:
    """Make one plot with the curves of all runs for each split that they share, and one of their training sets."""
    splits = sorted({split for report in reports for split in splits_of(report)})
    plots = [plot for split in splits if (plot := _overlaid_success(reports, split)) is not None]
    sizes = _overlaid_sizes(reports)
    return [*plots, sizes] if sizes else plots


def _success_plot(report: Report, split: str) -> Plot:
    found = _evaluated(report, split)
    paper = report.published
    last = max([*found, *(range(len(paper.single)) if paper else [])])
    rounds = list(range(last + 1))
    series = _published(paper, len(rounds)) if paper else []
    series.append(_scores("accumulated", {n: e.accumulated for n, e in found.items()}, rounds, 2, dashed=True))
    series.append(_scores("single trial", {n: e.single for n, e in found.items()}, rounds, 1))
    note = f"{_INTERVALS} Published figures are for {paper.test_set}." if paper else _INTERVALS
    return _success(f"Success on {split}", rounds, series, note)


def _success(title: str, rounds: list[int], series: list[Series], note: str) -> Plot:
    """A plot of success in percent over rounds."""
    return Plot(
        title=title,
        x_label="round",
        y_label="success (%)",
        x=[float(n) for n in rounds],
        series=series,
        y_max=100,
        note=note,
    )


def _published(paper: PublishedFigures, length: int) -> list[Series]:
    return [
        Series(
            name=f"published, {name}", values=_padded(values, length), colour=REFERENCE, dashed=name == "accumulated"
        )
        for name, values in (("accumulated", paper.accumulated), ("single trial", paper.single))
    ]


def _overlaid_success(reports: Sequence[Report], split: str) -> Plot | None:
    by_run = {report.run: _evaluated(report, split) for report in reports}
    rounds = sorted({number for found in by_run.values() for number in found})
    if not rounds:
        return None
    series = [
        _scores(run, {n: e.single for n, e in found.items()}, rounds, colour(i))
        for i, (run, found) in enumerate(by_run.items())
        if found
    ]
    return _success(f"Success on {split}, single trial", rounds, series, _INTERVALS)


def _overlaid_sizes(reports: Sequence[Report]) -> Plot | None:
    sizes = {report.run: {r.round: r for r in report.rounds if r.training_successes} for report in reports}
    rounds = sorted({number for found in sizes.values() for number in found})
    if not rounds:
        return None
    series = [
        Series(name=run, values=[_size(found.get(n)) for n in rounds], colour=colour(i))
        for i, (run, found) in enumerate(sizes.items())
    ]
    return Plot(
        title="Training set",
        x_label="round",
        y_label="trajectories",
        x=[float(n) for n in rounds],
        series=series,
        digits=0,
    )


def _size(found: RoundReport | None) -> float | None:
    return None if found is None else float(found.training_successes + found.training_failures)


def _scores(name: str, scores: dict[int, Score], rounds: Sequence[int], colour: int, dashed: bool = False) -> Series:
    found = [scores.get(number) for number in rounds]
    return Series(
        name=name,
        values=[None if s is None else 100 * s.rate for s in found],
        low=[None if s is None else 100 * s.low for s in found],
        high=[None if s is None else 100 * s.high for s in found],
        colour=colour,
        dashed=dashed,
    )


def _evaluated(report: Report, split: str) -> dict[int, Evaluated]:
    return {r.round: e for r in report.rounds for e in r.evaluations if e.split == split}


def _thinned(steps: list[int]) -> list[int]:
    """Choose at most a few hundred of the steps, among them the last one."""
    stride = max(1, -(-len(steps) // _MOST_STEPS))
    return steps[max(0, len(steps) - 1) % stride :: stride]


def _padded(values: Sequence[float], length: int) -> list[float | None]:
    return [*values[:length], *[None] * (length - len(values))]
