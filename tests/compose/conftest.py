from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.compose.project import Project


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The running system; its containers and volumes are removed afterwards."""
    try:
        subprocess.run(["docker", "info"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.fail(f"These tests need a Docker engine with compose, and none answers: {error}", pytrace=False)
    project = Project(tmp_path_factory.mktemp("compose"))
    project.compose("down", "-v", "--remove-orphans", check=False)
    try:
        project.compose("build", timeout=3000)
        project.compose("up", "-d", "--wait", "--wait-timeout", "600")
        yield project
    finally:
        (tmp_path_factory.getbasetemp() / "compose.log").write_text(project.compose("logs", "--no-color", check=False))
        project.compose("down", "-v", "--remove-orphans", check=False)
