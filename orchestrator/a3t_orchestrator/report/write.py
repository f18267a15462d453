"""Writing a report's three files."""

from __future__ import annotations

from pathlib import Path

from .html import html
from .model import Report
from .text import markdown

__all__ = ["write_report"]


def write_report(report: Report, folder: Path) -> dict[str, Path]:
    """Write report.html, report.md and report.json; format → path."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"html": html(report), "md": markdown(report), "json": report.model_dump_json(indent=2)}
    paths = {kind: folder / f"report.{kind}" for kind in contents}
    for kind, text in contents.items():
        paths[kind].write_text(text, encoding="utf-8")
    return paths
