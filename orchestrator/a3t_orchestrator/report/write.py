"""Writes the report as files: one self-contained HTML page, Markdown and JSON."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from .figures import figures
from .model import Report
from .text import markdown, round_rows, splits_of

__all__ = ["html", "templates", "write_report"]

templates = Environment(
    loader=PackageLoader("a3t_orchestrator.report"),
    autoescape=select_autoescape(),
    trim_blocks=True,
    lstrip_blocks=True,
)


def html(report: Report) -> str:
    """Return the report as a self-contained HTML page."""
    heads, rows = round_rows(report)
    return templates.get_template("report.html").render(
        report=report,
        heads=heads,
        rows=rows,
        splits=splits_of(report),
        paper=report.published,
        figures={title: Markup(svg) for title, svg in figures(report).items()},  # noqa: S704  our own drawing
    )


def write_report(report: Report, folder: Path) -> dict[str, Path]:
    """Write report.html, report.md and report.json, and return their paths by format."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"html": html(report), "md": markdown(report), "json": report.model_dump_json(indent=2)}
    paths = {kind: folder / f"report.{kind}" for kind in contents}
    for kind, text in contents.items():
        paths[kind].write_text(text, encoding="utf-8")
    return paths
