"""Commands that read runs say the same with the database at hand and with the address of the service alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from typer.main import get_command

from a3t_contracts.errors import NotFoundError
from a3t_orchestrator.app import create_app
from a3t_orchestrator.cli.root import build_root
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import add_event
from tests.support.episodes import RUN, episodes_of, store_with_run
from tests.support.live_server import live_server

FIRST = next(iter(episodes_of(1)))[0].id


@dataclass(frozen=True)
class Place:
    """A home with a database, one without, and the service over the first."""

    near: Path
    far: Path
    url: str

    def stored(self, *command: str) -> Result:
        """What a command says with the database."""
        return self._said(command, self.near)

    def told(self, *command: str) -> Result:
        """What it says where only the service is named."""
        return self._said(command, self.far, A3T_ORCHESTRATOR_URL=self.url)

    def _said(self, command: tuple[str, ...], home: Path, **variables: str) -> Result:
        unset = {name: None for name in os.environ if name.startswith("A3T_")}
        environment = unset | {"A3T_HOME": str(home), "COLUMNS": "120"} | variables
        return CliRunner().invoke(get_command(build_root()), list(command), env=environment)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    near, far = tmp_path_factory.mktemp("near"), tmp_path_factory.mktemp("far")
    store = store_with_run(f"sqlite:///{near / 'a3t.db'}", 10)
    with store.session() as session:
        for number in range(1200):
            add_event(session, RUN, 1, "note", f"Event {number}")
    store.close()
    with live_server(create_app(OrchestratorSettings(home=near))) as url:
        yield Place(near, far, url)


@pytest.mark.parametrize(
    "command",
    [
        ["runs", "--json"],
        ["runs", "show", RUN],
        ["runs", "show", RUN, "--json", "--lines", "1100"],
        ["report", "--json"],
        ["report", RUN, "--json"],
        ["trajectories", "list", "--run", RUN, "--json"],
        ["trajectories", "list", "--kind", "composed", "--success", "--sort=-steps", "--limit", "7", "--offset", "3"],
        ["trajectories", "list", "--sampled", "--search", "lamp", "--json"],
        ["trajectories", "show", FIRST],
        ["trajectories", "show", FIRST[:10], "--json"],
    ],
    ids=" ".join,
)
def test_the_service_says_what_the_database_says(place: Place, command: list[str]) -> None:
    stored, told = place.stored(*command), place.told(*command)
    assert stored.exception is None, stored.exception
    assert told.exception is None, told.exception
    assert stored.output == told.output
    assert len(stored.output) > 100
    assert not (place.far / "a3t.db").exists()


def test_a_report_is_written_here_from_what_the_service_tells(place: Place, tmp_path: Path) -> None:
    assert place.told("report", RUN, "--out", str(tmp_path)).exception is None
    stored = json.loads(place.stored("report", RUN, "--json").output)
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == stored
    assert RUN in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "command", [["runs", "show", "nobody"], ["report", "nobody"], ["trajectories", "list", "--run", "nobody"]]
)
def test_a_run_that_is_not_there_is_told_alike(place: Place, command: list[str]) -> None:
    for said in (place.stored(*command), place.told(*command)):
        assert isinstance(said.exception, NotFoundError)
        assert "nobody" in said.exception.detail
