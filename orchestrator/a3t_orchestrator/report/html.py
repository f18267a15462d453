"""The report as one HTML file that needs nothing else."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from .figures import figures
from .model import Report
from .text import round_rows, splits_of

__all__ = ["html", "templates"]

templates = Environment(
    loader=PackageLoader("a3t_orchestrator.report"),
    autoescape=select_autoescape(),
    trim_blocks=True,
    lstrip_blocks=True,
)


def html(report: Report) -> str:
    """A self-contained page."""
    heads, rows = round_rows(report)
    return templates.get_template("report.html").render(
        report=report,
        heads=heads,
        rows=rows,
        splits=splits_of(report),
        paper=report.published,
        figures={title: Markup(svg) for title, svg in figures(report).items()},  # noqa: S704  our own drawing
    )
