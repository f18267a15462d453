"""What a report adds up comes from indexes alone, so that it does not read the rows of a large run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from a3t_orchestrator.phases import Phase
from a3t_orchestrator.store import Store
from a3t_orchestrator.store.outcomes import tallies, tasks_by_round


@pytest.mark.parametrize(
    "read",
    [lambda session: tallies(session, "a"), lambda session: tasks_by_round(session, "a", Phase.compose, success=True)],
    ids=["tallies", "tasks_by_round"],
)
def test_a_report_reads_no_row(tmp_path: Path, read: Callable[[Session], Any]) -> None:
    store = Store(f"sqlite:///{tmp_path / 'a3t.db'}")
    store.upgrade()
    asked: list[tuple[str, Any]] = []
    event.listen(store.engine, "before_cursor_execute", lambda *call: asked.append(call[2:4]))
    with store.session() as session:
        read(session)
    (query,) = [one for one in asked if "FROM trajectories" in one[0]]
    with store.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query[0]}", query[1]).all()
    store.close()
    ways = [row[-1] for row in plan if "trajectories" in row[-1]]
    assert ways
    assert all("COVERING INDEX" in way for way in ways), ways
