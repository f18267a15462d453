"""SQL stands in the store alone: other parts of the orchestrator ask it with functions."""

from __future__ import annotations

import ast
from pathlib import Path

import a3t_orchestrator

PACKAGE = Path(a3t_orchestrator.__file__).parent
WITHOUT_SQL = {"Session", "SQLAlchemyError", "make_url"}


def test_no_query_is_written_outside_the_store() -> None:
    found = [
        f"{path.relative_to(PACKAGE)} imports {alias.name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if "store" not in path.relative_to(PACKAGE).parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "sqlalchemy"
        for alias in node.names
        if alias.name not in WITHOUT_SQL
    ]
    assert found == []
