from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.compose.project import Project, require_engine


@pytest.fixture(scope="session")
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The running system; its containers and volumes are removed afterwards."""
    require_engine()
    project = Project(tmp_path_factory.mktemp("compose"))
    project.compose("down", "-v", "--remove-orphans", check=False)
    came_up = False
    try:
        project.compose("build", timeout=3000)
        project.compose("up", "-d", "--wait", "--wait-timeout", "900")
        came_up = True
        yield project
    finally:
        logs = tmp_path_factory.getbasetemp() / "compose.log"
        logs.write_text(project.compose("logs", "--no-color", "--timestamps", check=False))
        if request.session.testsfailed or not came_up:
            state = project.compose("ps", "-a", check=False)
            tail = project.compose("logs", "--no-color", "--tail", "30", check=False)
            sys.stderr.write(f"\n{state}\n{tail}\nEverything that the containers wrote: {logs}\n")
        project.compose("down", "-v", "--remove-orphans", check=False)
