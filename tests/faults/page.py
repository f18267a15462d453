"""Results of cells, kept in `results.json`, and the page that shows them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from .cells import PHASES, ROWS, Cell, cells

__all__ = ["PAGE", "missing", "note", "table"]

_HERE = Path(__file__).parent
_RESULTS = _HERE / "results.json"
_ROOT = _HERE.parents[1]
PAGE = _ROOT / "docs" / "reliability.md"
_BEGIN, _END = "<!-- table -->", "<!-- end of the table -->"


def note(cells: Iterable[Cell], result: str, seed: int) -> None:
    """Remember the last result of these cells, and write the page anew."""
    results = _results() | {str(cell): {"result": result, "seed": seed, "commit": _commit()} for cell in cells}
    _RESULTS.write_text(json.dumps(dict(sorted(results.items())), indent=1) + "\n", encoding="utf-8")
    write_page()


def missing() -> list[Cell]:
    """Cells without a good result."""
    results = _results()
    return [cell for cell in cells() if results.get(str(cell), {}).get("result") != "identical"]


def write_page() -> None:
    """Put the table between its two marks."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    PAGE.write_text(f"{before}{_BEGIN}\n\n{table()}\n{_END}{rest.partition(_END)[2]}", encoding="utf-8")


def table() -> str:
    """A row for each fault and part, a column for each phase; `–` where a part has nothing to do."""
    results = _results()
    lines = [f"| fault | part | {' | '.join(PHASES)} |", "|---|---|" + "---|" * len(PHASES)]
    for row in ROWS:
        shown = {cell.phase: _shown(results.get(str(cell))) for cell in row.cells}
        lines.append(f"| {row.fault} | {row.part} | {' | '.join(shown.get(phase, '–') for phase in PHASES)} |")
    return "\n".join(lines) + "\n"


def _shown(result: dict[str, object] | None) -> str:
    return "never run" if result is None else f"{result['result']}, {result['seed']}, `{result['commit']}`"


def _results() -> dict[str, dict[str, object]]:
    return json.loads(_RESULTS.read_text(encoding="utf-8")) if _RESULTS.exists() else {}


@cache
def _commit() -> str:
    """The commit, with `+` where tracked files differ from it, other than those that this module writes."""
    written = [f":(exclude){path.relative_to(_ROOT)}" for path in (_RESULTS, PAGE)]
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *written)
    return f"{_git('rev-parse', '--short=7', 'HEAD') or 'unknown'}{'+' if changed else ''}"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(_ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    write_page()
