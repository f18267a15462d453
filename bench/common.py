"""The report of a benchmark: the machine, the commit, the peers' versions, figures and ratios."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

__all__ = ["BenchReport", "console", "peer_versions"]

console = Console()


@dataclass
class BenchReport:
    """A benchmark's report. `figures` are measurements, with the unit in the name; `ratios` are our figure divided
    by the peer's, from the same run.
    """

    name: str
    peers: dict[str, str] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=lambda: _machine())
    commit: str = field(default_factory=lambda: _commit())

    def show(self) -> None:
        """Print figures and ratios as a table."""
        table = Table("what", "value", title=self.name)
        for name, value in [*self.figures.items(), *((f"ratio: {k}", v) for k, v in self.ratios.items())]:
            table.add_row(name, f"{value:,.4g}" if isinstance(value, float) else str(value))
        console.print(table)

    def write(self, path: Path | None) -> None:
        """Write the report as JSON, if a path was given."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def peer_versions(*packages: str) -> dict[str, str]:
    """Installed versions of the packages that a benchmark compares with."""
    return {package: version(package) for package in packages}


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load_1min_at_start": os.getloadavg()[0],
        "processor": _processor(),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
