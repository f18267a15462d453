"""Writes a comparison as Markdown, JSON and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..report.figures import figure
from ..report.stats import Mean
from .collect import ArmResult, Comparison

__all__ = ["comparison_about", "comparison_markdown", "comparison_notes", "comparison_table", "write_comparison"]

_HINDSIGHT = "hindsight per 1,000 steps"
_HEADS = (
    "arm",
    "seeds",
    "round 0",
    "last round",
    "difference",
    "accumulated",
    "trained on (+/−)",
    "composed → kept",
    "kept per 1,000 steps",
    "rescued",
    _HINDSIGHT,
    "s",
)


def write_comparison(comparison: Comparison, folder: Path) -> dict[str, Path]:
    """Write comparison.md, comparison.json and comparison.svg, and return their paths by format."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"md": comparison_markdown(comparison), "json": comparison.model_dump_json(indent=2)}
    if any(arm.seeds for arm in comparison.arms):
        contents["svg"] = _curves(comparison)
    paths = {kind: folder / f"comparison.{kind}" for kind in contents}
    for kind, text in contents.items():
        paths[kind].write_text(text, encoding="utf-8")
    return paths


def comparison_markdown(comparison: Comparison) -> str:
    """Return the comparison as a page of Markdown: the table, what each arm changes, and how the figures were made."""
    heads, rows = comparison_table(comparison)
    lines = [f"# {comparison.name}", "", comparison_about(comparison), "", _line(heads), "|" + "---|" * len(heads)]
    lines += [*map(_line, rows), *comparison_notes(comparison)]
    return "\n".join(lines) + "\n"


def comparison_about(comparison: Comparison) -> str:
    """Return the sentences that explain the table's figures."""
    return (
        f"Success on `{comparison.split}`, one greedy trial per task, base model `{comparison.base_model}`. Mean "
        "over seeds with 95 % intervals (Student's t); the differences, also those in parentheses, are from the run "
        f"of `{comparison.against}` with the same seed. kept: composed episodes that succeeded. rescued: of the tasks "
        "that the agent's own trial failed, the share for which a composed episode succeeded."
    )


def comparison_table(comparison: Comparison) -> tuple[Sequence[str], list[list[str]]]:
    """Return the headings, and a row for each arm that has finished runs."""
    heads, rows = list(_HEADS), [_row(arm) for arm in comparison.arms if arm.seeds]
    if not any(seed.hindsight for arm in comparison.arms for seed in arm.seeds):
        left_out = heads.index(_HINDSIGHT)
        for cells in (heads, *rows):
            del cells[left_out]
    return heads, rows


def comparison_notes(comparison: Comparison) -> list[str]:
    """Return lines of Markdown: what each arm changes, which commits ran, and which runs are missing."""
    done = [arm for arm in comparison.arms if arm.seeds]
    lines = ["", *(f"- **{arm.arm}**: {arm.about}" for arm in done if arm.about)]
    if done:
        seeds = [s for arm in done for s in arm.seeds]
        commits = sorted({s.commit for s in seeds if s.commit})
        lines += ["", f"{seeds[0].trials} tasks per trial; the runs are of commit {', '.join(commits) or 'unknown'}."]
    if comparison.missing:
        lines += ["", f"Not finished: {', '.join(comparison.missing)}."]
    return lines


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _row(arm: ArmResult) -> list[str]:
    last, n = [s.training_successes for s in arm.seeds], len(arm.seeds)
    failures = [s.training_failures for s in arm.seeds]
    composed, kept = sum(s.composed for s in arm.seeds), sum(s.kept for s in arm.seeds)
    return [
        arm.arm,
        ", ".join(str(s.seed) for s in arm.seeds),
        _percent(arm.first),
        _percent(arm.last),
        _points(arm.difference),
        _percent(arm.accumulated),
        f"{sum(last) / n:.0f}/{sum(failures) / n:.0f}",
        f"{composed / n:.0f} → {kept / n:.0f}",
        _rate(arm.kept, arm.kept_difference),
        _percent(arm.rescued) + _beside(arm.rescued_difference, 1, 100),
        _rate(arm.hindsight, None),
        f"{sum(s.seconds for s in arm.seeds) / n:.0f}",
    ]


def _percent(value: Mean | None) -> str:
    return "–" if value is None else value.percent


def _rate(value: Mean | None, difference: Mean | None) -> str:
    if value is None:
        return "–"
    interval = "" if value.low is None or value.high is None else f" [{max(0.0, value.low):.2f}–{value.high:.2f}]"
    return f"{value.mean:.2f}{interval}{_beside(difference, 2)}"


def _points(value: Mean | None) -> str:
    return "–" if value is None else _signed(value, 1, 100)


def _beside(difference: Mean | None, digits: int, factor: float = 1) -> str:
    return "" if difference is None else f" ({_signed(difference, digits, factor)})"


def _signed(value: Mean, digits: int, factor: float = 1) -> str:
    low, high = value.low, value.high
    interval = "" if low is None or high is None else f" [{factor * low:+.{digits}f}, {factor * high:+.{digits}f}]"
    return f"{factor * value.mean:+.{digits}f}{interval}"


def _curves(comparison: Comparison) -> str:
    with figure() as (axes, svg):
        for number, arm in enumerate(a for a in comparison.arms if a.seeds):
            _draw(axes, arm, f"C{number}", comparison.arms.index(arm))
        axes.set(xlabel="round", ylabel=f"success on {comparison.split} (%)", ylim=(0, 103))
        axes.legend(fontsize=6)
    return svg[0]


def _draw(axes: Any, arm: ArmResult, colour: str, number: int) -> None:
    rounds = range(min(len(s.success) for s in arm.seeds))
    means = [100 * sum(s.success[r] for s in arm.seeds) / len(arm.seeds) for r in rounds]
    axes.plot(rounds, means, marker="o", markersize=3, color=colour, label=arm.arm)
    for seed in arm.seeds:
        points = [100 * rate for rate in seed.success]
        axes.scatter([r + 0.015 * (number + 1) for r in range(len(points))], points, s=5, color=colour, alpha=0.5)
    axes.set_xticks(list(rounds))
