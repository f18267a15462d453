"""Real trackers are told of a run's rounds, without a server: success, exploration, cost, and sample episodes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from a3t_contracts.cli import guarded
from a3t_contracts.errors import InvalidInputError
from a3t_orchestrator.cli.root import build_root
from a3t_orchestrator.driver.pairing import TrainingSet
from a3t_orchestrator.driver.training import job_request
from a3t_orchestrator.recipe import parse_recipe
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import Store, events, open_round, utc_now
from a3t_orchestrator.tracking.track import track_round, track_safely
from a3t_orchestrator.tracking.trackers import TRACKERS
from a3t_trainer.settings import TrainerSettings
from tests.support.episodes import RUN, store_with_run

FIGURES = {"success/held": 1.0, "success_by_type/held/light": 1.0, "exploration/kept": 8.0, "cost/episodes": 16.0}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("A3T_HOME", str(tmp_path))
    opened = store_with_run(f"sqlite:///{tmp_path / 'a3t.db'}")
    with opened.session() as session:
        row = open_round(session, RUN, 1)
        row.status, row.finished_at, row.seconds = "finished", utc_now(), {"rollout": 2.5, "compose": 3.0}
    yield opened
    opened.close()


def test_tensorboard_shows_figures_and_episodes(store: Store, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for _ in range(2):  # a run that goes on elsewhere writes beside what is there
        track_round(store, OrchestratorSettings(), RUN, 1, ["tensorboard"])
    board = EventAccumulator(str(tmp_path / "tracking" / "tensorboard" / RUN)).Reload()
    for name, value in FIGURES.items():
        assert [(e.step, e.value) for e in board.Scalars(name)][-1] == (1, pytest.approx(value))
    assert board.Scalars("cost/seconds")[0].value == pytest.approx(5.5)
    (table, *_) = board.Tensors("episodes/text_summary")
    text = table.tensor_proto.string_val[0].decode()
    assert "| id | kind | task |" in text
    assert "climb stairs 1" in text


def test_mlflow_has_one_run_with_figures_and_a_table(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="comes with the extra `tracking`")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(f"file:{tmp_path / 'mlruns'}")
    for _ in range(2):
        track_round(store, OrchestratorSettings(), RUN, 1, ["mlflow"])
    client = mlflow.MlflowClient()
    (found,) = client.search_runs([client.get_experiment_by_name("a3t").experiment_id])
    assert found.info.run_name == RUN
    assert {name: found.data.metrics[name] for name in FIGURES} == pytest.approx(FIGURES)
    assert found.data.params["environment"] == "lighthouse"
    table = json.loads(next((tmp_path / "mlruns").rglob("episodes_round_1.json")).read_text())
    assert "text" in table["columns"]
    assert len(table["data"]) == 6


def test_wandb_writes_a_run_offline(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="comes with the extra `tracking`")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    track_round(store, OrchestratorSettings(), RUN, 1, ["wandb"])
    (written,) = (tmp_path / "tracking" / "wandb").rglob("run-*.wandb")
    until = time.monotonic() + 60
    while b"success_by_type" not in written.read_bytes() and time.monotonic() < until:
        time.sleep(0.1)  # its own process writes on for a moment
    assert b"success_by_type" in written.read_bytes()
    assert list((tmp_path / "tracking" / "wandb").rglob("*.table.json"))


def test_trackio_has_the_figures(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("trackio", reason="comes with the extra `tracking`")
    from trackio.sqlite_storage import SQLiteStorage

    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setattr("trackio.sqlite_storage.TRACKIO_DIR", tmp_path / "trackio", raising=False)
    track_round(store, OrchestratorSettings(), RUN, 1, ["trackio"])
    logs = SQLiteStorage.get_logs("a3t", RUN)
    assert {name: logs[-1][name] for name in FIGURES} == pytest.approx(FIGURES)


async def test_a_tracker_that_fails_is_noted_and_stops_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("no login")

    monkeypatch.setitem(TRACKERS, "wandb", broken)
    told = await track_safely(store, OrchestratorSettings(), RUN, 1, ["wandb"])
    assert told == "The tracker wandb did not accept round 1: no login"
    with store.session() as session:
        (event,) = events(session, RUN, kind="tracking_failed")
    assert (event.level, event.message) == ("warn", told)


def test_one_setting_names_the_trackers_of_runs_and_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A3T_TRACKERS", '["tensorboard", "mlflow"]')
    assert OrchestratorSettings().trackers == ["tensorboard", "mlflow"]
    assert TrainerSettings().job_trackers == ["mlflow"]
    monkeypatch.setenv("A3T_TRAINER_TRACKERS", '["wandb"]')
    assert TrainerSettings().job_trackers == ["wandb"]


def test_a_recipe_names_the_trackers_of_its_runs_and_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A3T_TRACKERS", '["mlflow"]')
    recipe = parse_recipe({"name": "r", "environment": "lighthouse", "trackers": ["tensorboard", "wandb"]})
    request = job_request(recipe, "r-1", 0, "file-1", TrainingSet((), (), {}), None)
    monkeypatch.setattr("a3t_trainer.settings.find_spec", lambda name: None if name == "wandb" else object())
    assert TrainerSettings().trackers_of(request) == ([], ["wandb"])
    assert TrainerSettings().trackers_of(request.model_copy(update={"trackers": None})) == (["mlflow"], [])
    assert TrainerSettings().trackers_of(request.model_copy(update={"trackers": []})) == ([], [])
    with pytest.raises(InvalidInputError, match="trackers"):
        parse_recipe({"name": "r", "environment": "lighthouse", "trackers": ["clipboard"]})


def test_the_command_sends_finished_rounds(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(build_root(), ["track", RUN, "--to", "tensorboard"]) == 0
    assert "1 rounds" in capsys.readouterr().out
    assert list((tmp_path / "tracking" / "tensorboard" / RUN).iterdir())
    assert guarded(build_root(), ["track", RUN]) == 2
    assert guarded(build_root(), ["track", "nobody", "--to", "tensorboard"]) == 3
