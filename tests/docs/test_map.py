"""The map in docs/architecture.md: every function, route and table that it names is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from a3t_orchestrator.store.tables import Base
from scripts.docs.openapi import openapi_documents

from .commands import ROOT

CODE = re.compile(r"`(a3t_\w+/[\w/]+\.py):([\w.]+)`")
ROUTE = re.compile(r"(?:(\w+) )?`([A-Z]+) (/[^`]*)`")
"""A route, and the service where it stands in front; behind it come further routes of the same service."""
SERVICE = re.compile(r"^(\w+) `")


def rows() -> list[list[str]]:
    """Step, process, code, HTTP call and tables of every row of the map."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = page.partition("| step | process |")[2].partition("\n\n")[0]
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert len(found) > 10
    assert all(len(row) == 5 for row in found)
    return found


def definitions(path: str) -> set[str]:
    """Functions and classes of a file, methods as `Class.method`."""
    package = path.partition("/")[0]
    (folder,) = [*ROOT.glob(f"*/{package}"), *ROOT.glob(f"services/*/{package}")]
    return set(_names(ast.parse((folder.parent / path).read_text(encoding="utf-8")), ""))


def _names(tree: ast.AST, inside: str) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield inside + node.name
            yield from _names(node, f"{inside}{node.name}.")


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_the_code_of_a_step_exists(row: list[str]) -> None:
    named = CODE.findall(row[2])
    assert len(named) == row[2].count("`") // 2 > 0, "every entry is `package/file.py:function`"
    for path, name in named:
        assert name in definitions(path), f"{path} has no {name}"


def test_every_route_is_in_the_openapi_of_its_service() -> None:
    documents = openapi_documents()
    routes = 0
    for step, _, _, calls, _ in rows():
        if calls not in ("–", "as above"):
            assert SERVICE.match(calls), f"{step}: no service in front of {calls}"
            service = ""
            for named, method, path in ROUTE.findall(calls):
                service = named or service
                assert method.lower() in documents[service]["paths"].get(path, {}), f"{service}: {method} {path}"
                routes += 1
    assert routes > 8


def test_every_table_is_in_the_store() -> None:
    named = {table for row in rows() for table in re.findall(r"`(\w+)`", row[4])}
    assert named <= set(Base.metadata.tables), sorted(named - set(Base.metadata.tables))
    assert set(Base.metadata.tables) - named == set(), "every table is written on the way"
