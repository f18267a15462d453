"""`import a3t`: the client against the real services, and the notebook of the docs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import a3t
from a3t_contracts.registry import RegistryReader
from a3t_env.app import create_app as create_env
from a3t_env.settings import EnvSettings
from a3t_orchestrator.app import create_app as create_orchestrator
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_trainer.app import create_app as create_trainer
from a3t_trainer.settings import TrainerSettings
from tests.support.episodes import RUN, episodes_of, store_with_run
from tests.support.live_server import live_server

NOTEBOOK = Path(__file__).parents[2] / "docs" / "how-to" / "python.ipynb"


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    home = tmp_path_factory.mktemp("home")
    store_with_run(f"sqlite:///{home / 'a3t.db'}", 30).close()
    with ExitStack() as stack:
        yield {
            "A3T_HOME": str(home),
            "A3T_ORCHESTRATOR_URL": stack.enter_context(live_server(create_orchestrator(_orchestrator(home)))),
            "A3T_ENV_URL": stack.enter_context(live_server(create_env(EnvSettings(home=home)))),
            "A3T_TRAINER_URL": stack.enter_context(
                live_server(create_trainer(TrainerSettings(home=home, trainer_keep_warm=False)))
            ),
        }


def _orchestrator(home: Path) -> OrchestratorSettings:
    return OrchestratorSettings(home=home)


@pytest.fixture
def client(addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[a3t.Client]:
    for name, value in addresses.items():
        monkeypatch.setenv(name, value)
    with a3t.Client() as opened:
        yield opened


def test_runs_and_trajectories_come_back_as_they_were_stored(client: a3t.Client) -> None:
    (run,) = client.runs.list()
    assert (run.name, client.runs.get(RUN).environment) == (RUN, "lighthouse")
    made = [one for one, _ in episodes_of(30)]
    assert list(client.trajectories.whole(RUN)) == made
    assert client.trajectories.get(made[0].id) == made[0]
    assert len(list(client.trajectories.list(run=RUN, kind="composed"))) == 60
    assert len(list(client.trajectories.list(run=RUN, limit=7))) == 7
    assert all(row["label"] is False for row in client.trajectories.export(RUN, "kto", outcome="failure"))
    with pytest.raises(a3t.NotFoundError):
        client.runs.get("nobody")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_have_a_row_for_each(client: a3t.Client, library: str) -> None:
    frame = client.trajectories.frame(run=RUN, library=library)  # type: ignore[arg-type]
    steps = client.trajectories.steps_frame(RUN, library=library, kind="composed")  # type: ignore[arg-type]
    assert type(frame).__module__.startswith(library)
    assert (len(frame), len(steps), len(client.runs.frame(library=library))) == (150, 180, 1)  # type: ignore[arg-type]
    assert sum(frame["success"]) == 120
    assert set(steps["source"]) == {"sampled", "policy"}


def test_environments_and_adapters(client: a3t.Client, addresses: dict[str, str]) -> None:
    names = [info.name for info in client.environments.list()]
    assert client.environments.get(names[0]).name == names[0]
    with pytest.raises(a3t.NotFoundError, match="There is no environment 'moon'"):
        client.environments.get("moon")
    assert client.adapters.list() == []
    assert RegistryReader(Path(addresses["A3T_HOME"]) / "registry").versions() == []


async def test_the_client_works_where_a_loop_runs(client: a3t.Client) -> None:
    await asyncio.sleep(0)
    assert [run.name for run in client.runs.list()] == [RUN]


def test_a_service_that_nobody_named_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A3T_HOME", str(tmp_path))
    monkeypatch.delenv("A3T_ORCHESTRATOR_URL", raising=False)
    with a3t.Client() as client, pytest.raises(a3t.InvalidInputError, match="A3T_ORCHESTRATOR_URL"):
        client.runs.list()


def test_the_notebook_of_the_docs_runs(addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    for name, value in addresses.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "the docs hold no outputs"
    done = NotebookClient(notebook, timeout=120).execute()
    printed = "".join(output.get("text", "") for cell in done.cells for output in cell.get("outputs", ()))
    assert "Action: climb stairs 1  (sampled)" in printed
