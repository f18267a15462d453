"""The page about reliability shows every cell of the fault suite, and nothing else."""

from __future__ import annotations

from tests.faults.cells import PHASES, ROWS, cells
from tests.faults.page import PAGE, table


def test_the_pages_table_is_that_of_the_suite() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert table() in page, "run `python -m tests.faults.page`"


def test_the_table_has_each_cell_once_and_enough_of_them() -> None:
    assert len(set(cells())) == len(cells()) >= 60
    for row in ROWS:
        assert list(row.phases) == [phase for phase in PHASES if phase in row.phases], row
    parts = {row.part for row in ROWS if row.fault in ("kill", "freeze")}
    every = {"worker", "env", "policy", "actre", "trainer", "training", "orchestrator", "redis", "postgres"}
    assert parts == every
    lines = table().splitlines()[2:]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == [row.fault for row in ROWS]
    assert sum(line.count("never run") + line.count("identical") + line.count("failed") for line in lines) == len(
        cells()
    )
