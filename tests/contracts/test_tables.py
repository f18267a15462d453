"""Tables in every width: nothing is cut, no id is broken, headings are whole."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console
from rich.text import Text

from a3t_contracts.cli import errors_console, guarded
from a3t_contracts.errors import NotFoundError
from a3t_contracts.tables import print_table

HEADS = ("id", "round", "generated\nheldout", "generated\nheldout accum.", "task", "state")
TASK = "valid_seen/look_at_obj_in_light-AlarmClock-None-DeskLamp-323/trial_T20190909_044715_250790"
ROWS = [
    ["e78582c476ed23ba227dd2c4", "0", "40 %\n31–50", "41 %\n32–51", TASK, Text("ready", "green")],
    ["ccbd2e0f590cedccb6b3ab6f", "12", "65 %\n55–73", "70 %\n60–78", "[bold]task[/bold]", "was away for long"],
]


def _shown(monkeypatch: pytest.MonkeyPatch, columns: int | None, rows: list[list[str | Text]] | None = None) -> str:
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", str(columns))
    file = io.StringIO()
    print_table(HEADS, ROWS if rows is None else rows, title="A title", caption="A caption", screen=Console(file=file))
    return file.getvalue()


@pytest.mark.parametrize("columns", [None, 20, 40, 60, 80, 100, 120, 160, 200, 400])
def test_ids_and_headings_are_whole_in_every_width(monkeypatch: pytest.MonkeyPatch, columns: int | None) -> None:
    text = _shown(monkeypatch, columns)
    assert "…" not in text
    for words in (TASK, "e78582c476ed23ba227dd2c4", "ccbd2e0f590cedccb6b3ab6f", "[bold]task[/bold]", "65 %", "55–73"):
        assert words in text
    for word in " ".join(HEADS).split():
        assert re.search(rf"(?<!\w){re.escape(word)}", text), word
    assert text.startswith("A title\n")
    assert text.endswith("A caption\n")


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 120, 200])
def test_lines_fit_where_words_do(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    text = _shown(monkeypatch, columns, [[*row[:4], f"task {n}", row[5]] for n, row in enumerate(ROWS)])
    assert max(map(len, text.splitlines())) <= columns


def test_a_pipe_without_columns_gets_one_line_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line for line in _shown(monkeypatch, None).splitlines() if TASK in line]
    assert len(lines) == 1
    assert "e78582c476ed23ba227dd2c4" in lines[0]


def test_few_records_are_put_side_by_side_where_columns_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[list[str | Text]] = [["a-run-r00", "0", "1", "2", "3", "4"], ["a-run-r01", "1", "2", "3", "4", "5"]]
    lines = _shown(monkeypatch, 42, rows).splitlines()
    assert any(line.split() == ["id", "a-run-r00", "a-run-r01"] for line in lines)


@pytest.mark.parametrize("columns", ["20", "60"])
def test_an_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    message = f"There is no task {TASK!r} in /a folder/with [spaces]/and/a/long/name/data."

    def main() -> None:
        raise NotFoundError(message)

    assert guarded(main) == 3
    assert capsys.readouterr().err == f"Error: {message}\n"
    errors_console.print(f"Kept {TASK} for later.", highlight=False)
    assert capsys.readouterr().err == f"Kept {TASK} for later.\n"
