"""Every command of README.md and of the tutorial runs, one after the other, as a reader would type them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from a3t_orchestrator.embedded.ports import is_free

from .commands import ROOT, RUN_ELSEWHERE, commands_of

PAGES = ("docs/tutorial.md", "README.md")
SECONDS = 280


class Reader:
    """A home of its own, in which the commands of a page are typed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "configs", folder / "configs")
        shutil.copy(ROOT / ".env.example", folder)
        (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
        kept = {key: value for key, value in os.environ.items() if not key.startswith("A3T_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = kept | {"A3T_HOME": str(folder / "home"), "PATH": path, "COLUMNS": "120"}
        self.environment |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        self.first_port = _free_ports()

    def type(self, command: str, answers: str = "") -> str:
        """Run a command; what it printed. Ports are this test's own, `RUN` and `ID` what the reader would fill in."""
        finished = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.filled_in(command)],
            cwd=self.folder,
            env=self.environment,
            input=answers,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert finished.returncode == 0, f"{command}\n{finished.stdout}\n{finished.stderr}"
        return finished.stdout

    def filled_in(self, command: str) -> str:
        shifted = re.sub(r"\b810(\d)\b", lambda port: str(self.first_port + int(port[1])), command)
        with_run = re.sub(r"\bRUN\b", "first", shifted)
        return re.sub(r"\bID\b", lambda _: self._an_episode(), with_run)

    def _an_episode(self) -> str:
        listed = self.type("a3t trajectories list --run first --kind composed --limit 1 --json")
        return str(json.loads(listed)["trajectories"][0]["id"])


def _free_ports() -> int:
    """The first of six free ports in a row, below those that the system hands out."""
    begin = 20000 + os.getpid() % 1000 * 10
    return next(first for first in range(begin, 32000, 10) if all(is_free(first + n) for n in range(6)))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    made = Reader(tmp_path_factory.mktemp("reader"))
    yield made
    made.type("a3t down")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_page_runs(page: str, reader: Reader) -> None:
    """The tutorial comes first: README looks around in what it made."""
    commands = commands_of(page)
    assert commands
    for command in commands:
        if command not in RUN_ELSEWHERE:
            printed = reader.type(command, answers=":quit\n" if command.startswith("a3t play") else "")
            assert printed or not command.startswith(("a3t", "curl")), f"{command} prints nothing"


def test_what_runs_elsewhere_is_named_in_that_suite() -> None:
    written = {command for page in PAGES for command in commands_of(page)}
    for command, (file, words) in RUN_ELSEWHERE.items():
        assert command in written, f"{command} is on no page any more"
        assert words in (ROOT / file).read_text(encoding="utf-8"), f"{file} does not run {command}"


def test_comments_and_continued_lines_are_read_as_a_shell_does() -> None:
    assert "make demo" in commands_of("README.md")
    curl = next(command for command in commands_of("README.md") if command.startswith("curl"))
    assert curl.count("\n") == 1
    recipe = next(command for command in commands_of("docs/tutorial.md") if command.startswith("cat"))
    assert recipe.endswith("\nEND")
