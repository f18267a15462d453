from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.chart.node import Node
from tests.compose.project import Project, require_engine


@pytest.fixture(scope="session")
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The chart, up with `values-cpu.yaml` on images that were built here and without a way to the internet."""
    require_engine()
    Project(tmp_path_factory.mktemp("compose")).compose("build", timeout=3000)
    node = Node(tmp_path_factory.mktemp("chart"))
    came_up = False
    try:
        node.start()
        came_up = True
        yield node
    finally:
        logs = tmp_path_factory.getbasetemp() / "chart.log"
        logs.write_text(node.logs())
        if request.session.testsfailed or not came_up:
            sys.stderr.write(f"\n{logs.read_text()[-20_000:]}\nEverything that the containers wrote: {logs}\n")
        node.stop()
