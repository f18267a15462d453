from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chart.node import Node
from tests.compose.project import Project, require_engine


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The chart, up with `values-cpu.yaml` on images that were built here and without a way to the internet."""
    require_engine()
    Project(tmp_path_factory.mktemp("compose")).compose("build", timeout=3000)
    node = Node(tmp_path_factory.mktemp("chart"))
    try:
        node.start()
        yield node
    finally:
        (tmp_path_factory.getbasetemp() / "chart.log").write_text(node.logs())
        node.stop()
