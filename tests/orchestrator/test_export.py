"""`a3t export`: files of every form, what they hold, interruptions, memory, and the API's stream."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient

from a3t_contracts.cli import guarded
from a3t_contracts.errors import ConflictError, InvalidInputError, NotFoundError, UpstreamError
from a3t_contracts.schemas import Trajectory
from a3t_orchestrator.app import create_app
from a3t_orchestrator.cli.root import build_root
from a3t_orchestrator.interchange.export import ExportOrder, write_export
from a3t_orchestrator.interchange.format import RowOptions
from a3t_orchestrator.interchange.formats import all_formats
from a3t_orchestrator.interchange.hub import push_dataset
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import EpisodeFilter, Store
from tests.support.episodes import RUN, episodes_of, multiply, store_with_run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    store_with_run(f"sqlite:///{folder / 'a3t.db'}").close()
    return folder


@pytest.fixture(scope="module")
def store(home: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{home / 'a3t.db'}")
    yield opened
    opened.close()


def rows_of(path: Path) -> list[dict[str, Any]]:
    data = gzip.decompress(path.read_bytes()) if path.name.endswith(".gz") else path.read_bytes()
    if ".json." in f"{path.name}.":
        found: list[dict[str, Any]] = json.loads(data)
        return found
    return [json.loads(line) for line in data.splitlines()]


def exported(store: Store, folder: Path, **order: Any) -> list[dict[str, Any]]:
    write_export(store, ExportOrder(run=RUN, **order), folder / "x.jsonl")
    return rows_of(folder / "x.jsonl")


@pytest.mark.parametrize("name", list(all_formats()))
def test_every_form_of_file_holds_the_same_rows(store: Store, tmp_path: Path, name: str) -> None:
    from datasets import load_dataset

    order = ExportOrder(run=RUN, format=name)
    for file in ("x.jsonl", "x.json", "x.jsonl.gz", "x.json.gz", "x.parquet", "folder"):
        write_export(store, order, tmp_path / file)
    rows = rows_of(tmp_path / "x.jsonl")
    assert rows
    assert rows == rows_of(tmp_path / "x.json") == rows_of(tmp_path / "x.jsonl.gz") == rows_of(tmp_path / "x.json.gz")
    cache = str(tmp_path / "cache")
    folder = load_dataset(str(tmp_path / "folder"), split="train", cache_dir=cache)
    single = load_dataset("parquet", data_files=str(tmp_path / "x.parquet"), split="train", cache_dir=cache)
    assert folder.to_list() == single.to_list()
    assert set(folder.column_names) == set(all_formats()[name].columns)
    assert len(folder) == len(rows)
    assert {p.name for p in tmp_path.iterdir()} == {
        *("x.jsonl", "x.json", "x.jsonl.gz", "x.json.gz", "x.parquet", "folder", "cache")
    }


def test_our_own_format_loses_nothing(store: Store, tmp_path: Path) -> None:
    rows = exported(store, tmp_path)
    assert [Trajectory.model_validate(row) for row in rows] == [one for one, _ in episodes_of(4)]


def test_what_is_imitated_holds_successes_and_nothing_held_out(store: Store, tmp_path: Path) -> None:
    rows = exported(store, tmp_path, format="messages")
    assert {row["kind"] for row in rows} == {"demonstration", "composed"}
    assert all(row["success"] for row in rows)
    failures = exported(store, tmp_path, format="messages", outcome="failure")
    assert [row["kind"] for row in failures] == ["policy"] * 4
    held_out = exported(store, tmp_path, format="messages", where=EpisodeFilter(kind="evaluation"))
    assert {row["split"] for row in held_out} == {"held"}


def test_a_round_s_training_set_is_exported_alone(store: Store, tmp_path: Path) -> None:
    rows = exported(store, tmp_path, format="kto", trained_in=1)
    assert [(row["label"], row["kind"], row["sample"]) for row in rows] == [
        (False, "policy", 0),
        (True, "composed", 1),
    ]


def test_loss_flags_leave_refused_turns_out(store: Store, tmp_path: Path) -> None:
    (row, *_) = exported(store, tmp_path, format="messages", options=RowOptions(loss_flags=True))
    assert [message.get("weight") for message in row["messages"]] == [None, 1, None, 0, None, 1]
    (row, *_) = exported(store, tmp_path, format="conversations")
    assert [message["loss"] for message in row["conversations"]] == [None, True, None, False, None, True]


def test_pairs_set_what_was_composed_against_the_own_failure(store: Store, tmp_path: Path) -> None:
    rows = exported(store, tmp_path, format="dpo", where=EpisodeFilter(task_id="keep-2"))
    by_id = {one.id: one for one, _ in episodes_of(4)}
    pairs = [(by_id[row["chosen_id"]], by_id[row["rejected_id"]]) for row in rows]
    assert [(good.kind, good.sample, bad.kind, bad.success) for good, bad in pairs] == [
        ("composed", 1, "policy", False),
        ("composed", 2, "policy", False),
    ]
    for row in rows:
        assert [message["role"] for message in row["prompt"]] == ["user"]
        assert row["chosen"][0] != row["rejected"][0]
        assert {row["chosen"][0]["role"], row["rejected"][0]["role"]} == {"assistant"}


KILLED = """
import os, sys
from pathlib import Path
from a3t_orchestrator.interchange import parquet
from a3t_orchestrator.interchange.export import ExportOrder, write_export
from a3t_orchestrator.store import Store, selection
read = 0
def advance(episodes):
    global read
    read += episodes
    if read >= 12:
        os._exit(9)
selection.PAGE = 4
parquet.FolderSink.__init__.__defaults__ = (5,)
write_export(Store(sys.argv[1]), ExportOrder(run=sys.argv[2], format=sys.argv[3]), Path(sys.argv[4]), advance)
"""


@pytest.mark.parametrize(("form", "file"), [("kto", "x.json.gz"), ("a3t", "folder")])
def test_a_killed_export_leaves_no_half_file_and_goes_on(
    store: Store, tmp_path: Path, form: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / file
    command = [sys.executable, "-c", KILLED, store.url, RUN, form, str(target)]
    assert subprocess.run(command, check=False).returncode == 9
    assert not target.exists()
    told: list[int] = []
    monkeypatch.setattr("a3t_orchestrator.store.selection.PAGE", 4)
    done = write_export(store, ExportOrder(run=RUN, format=form), target, told.append)
    assert told[0] >= 8, "what was written before the kill is not read again"
    assert [p.name for p in tmp_path.iterdir()] == [file]
    write_export(store, ExportOrder(run=RUN, format=form), tmp_path / f"y{''.join(target.suffixes)}")
    if target.is_dir():
        from datasets import load_dataset

        both = [load_dataset(str(tmp_path / n), cache_dir=str(tmp_path / "c"))["train"].to_list() for n in (file, "y")]
        assert both[0] == both[1]
        assert f"{done.rows} rows in the format" in (target / "README.md").read_text(encoding="utf-8")
    else:
        assert rows_of(target) == rows_of(tmp_path / "y.json.gz")
        assert len(rows_of(target)) == done.rows


def test_what_an_interrupted_export_wrote_is_not_mixed_with_another(store: Store, tmp_path: Path) -> None:
    def stop(episodes: int) -> None:
        if episodes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_export(store, ExportOrder(run=RUN), tmp_path / "x.jsonl", stop)
    assert {row["kind"] for row in exported(store, tmp_path, where=EpisodeFilter(kind="composed"))} == {"composed"}


def test_a_folder_that_is_no_export_stays(store: Store, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(InvalidInputError, match="is not an export"):
        write_export(store, ExportOrder(run=RUN), tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_two_exports_do_not_write_one_file(store: Store, tmp_path: Path) -> None:
    def again(_: int) -> None:
        write_export(store, ExportOrder(run=RUN), tmp_path / "x.jsonl")

    with pytest.raises(ConflictError):
        write_export(store, ExportOrder(run=RUN), tmp_path / "x.jsonl", again)


MEMORY = """
import resource, sys
from pathlib import Path
from a3t_orchestrator.interchange.export import ExportOrder, write_export
from a3t_orchestrator.store import Store
def peak(kind):
    from a3t_orchestrator.store import EpisodeFilter
    order = ExportOrder(run=sys.argv[2], format="messages", where=EpisodeFilter(kind=kind))
    rows = write_export(Store(sys.argv[1]), order, Path(sys.argv[3]) / f"{kind}.parquet").rows
    return rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(*peak("demonstration"), *peak("composed"))
"""


@pytest.mark.parametrize("episodes", [6_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_the_number_of_episodes(tmp_path: Path, episodes: int) -> None:
    """After a fifth of the rows, the peak stays where it is while the other two fifths are exported."""
    store = store_with_run(f"sqlite:///{tmp_path / 'a3t.db'}", 20)
    multiply(store, episodes // 100)
    command = [sys.executable, "-c", MEMORY, store.url, RUN, str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    rows, before, more, after = (float(number) for number in told)
    assert (rows, more) == (episodes / 5, 2 * episodes / 5)
    assert after - before < 24, f"{before} MiB after {rows} rows, {after} after {more} more"


def test_the_api_streams_what_the_command_writes(store: Store, home: Path, tmp_path: Path) -> None:
    settings = OrchestratorSettings(home=home)
    token = {"Authorization": f"Bearer {settings.token.get_secret_value()}"}
    with TestClient(create_app(settings), headers=token) as client:
        reply = client.get(f"/v1/runs/{RUN}/export", params={"format": "sharegpt", "round": 1})
        assert reply.headers["content-type"] == "application/x-ndjson"
        written = exported(store, tmp_path, format="sharegpt", where=EpisodeFilter(round=1))
        assert [json.loads(line) for line in reply.text.splitlines()] == written
        assert client.get(f"/v1/runs/{RUN}/export", params={"format": "xml"}).status_code == 422
        assert client.get("/v1/runs/nobody/export").status_code == 404


def test_the_commands_say_how_much_they_wrote_and_read(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def a3t(home: Path, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setenv("A3T_HOME", str(home))
        code = guarded(build_root(), arguments)
        return code, *capsys.readouterr()

    assert len(a3t(home, "export", RUN, "--format", "messages", "--kind", "composed")[1].splitlines()) == 8
    assert len(a3t(home, "trajectories", "export", RUN, "--failure")[1].splitlines()) == 4, "as older scripts call it"
    told = a3t(home, "export", RUN, "--format", "dpo", "--to", str(tmp_path / "pairs"), "--json")[1]
    assert json.loads(told)["rows"] == 8
    assert a3t(home, "export", "nobody")[0] == 3
    code, _, error = a3t(home, "export", RUN, "--format", "xml")
    assert (code, "sharegpt" in error) == (2, True)
    a3t(home, "export", RUN, "--format", "sharegpt", "--to", str(tmp_path / "their log.jsonl.gz"))
    other = tmp_path / "other"
    told = a3t(other, "import", str(tmp_path / "their log.jsonl.gz"), "--json")[1]
    assert (json.loads(told)["run"], json.loads(told)["episodes"]) == ("their-log", 12)
    code, _, error = a3t(other, "import", str(tmp_path / "pairs"), "--run", "pairs")
    assert (code, "--chosen imports the better ones" in error) == (2, True)
    told = a3t(other, "import", str(tmp_path / "pairs"), "--run", "pairs", "--chosen", "--json")[1]
    assert json.loads(told)["episodes"] == 8


def test_what_cannot_be_written_is_refused_by_name(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"'\.csv' is unknown"):
        write_export(store, ExportOrder(run=RUN), tmp_path / "x.csv")
    with pytest.raises(NotFoundError):
        write_export(store, ExportOrder(run="nobody"), tmp_path / "x.jsonl")
    assert list(tmp_path.iterdir()) == []


class NotingHub:
    """In place of the Hub's client: notes what it is asked to do."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def create_repo(self, repository: str, **options: Any) -> str:
        self.asked.append((repository, options))
        return f"https://hub.test/datasets/{repository}"

    def upload_folder(self, **options: Any) -> None:
        self.asked.append((options["repo_id"], options))


def test_a_folder_is_pushed_as_a_private_dataset(store: Store, tmp_path: Path) -> None:
    write_export(store, ExportOrder(run=RUN, format="kto"), tmp_path / "kto")
    hub = NotingHub()
    assert push_dataset(tmp_path / "kto", "org/kto", api=hub) == "https://hub.test/datasets/org/kto"  # type: ignore[arg-type]
    (made, options), (filled, upload) = hub.asked
    assert (made, filled) == ("org/kto", "org/kto")
    assert (options["repo_type"], options["private"], upload["repo_type"]) == ("dataset", True, "dataset")
    assert upload["folder_path"] == tmp_path / "kto"


def test_the_card_says_what_the_rows_are_and_where_they_come_from(store: Store, tmp_path: Path) -> None:
    done = write_export(store, ExportOrder(run=RUN, format="messages"), tmp_path / "sft")
    card = (tmp_path / "sft" / "README.md").read_text(encoding="utf-8")
    _, head, body = card.split("---\n", 2)
    told = yaml.safe_load(head)
    assert (told["license"], told["size_categories"], "messages" in told["tags"]) == ("other", ["n<1K"], True)
    assert f"{done.rows} rows in the format `messages`" in body
    assert "| 0 | demonstration | 4 | 0 |" in body
    assert "| 1 | composed | 8 | 0 |" in body
    for words in (
        "ActRe",
        "base model",
        f"adapter version `{RUN}-r01`",
        "commit `abc`",
        "A tower with a lamp.",
        "## Licence",
    ):
        assert words in body
    assert "- `messages`: list of object of `role`, `content`" in body


def test_a_setting_pushes_every_folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed: list[tuple[Path, str, bool]] = []

    def push(folder: Path, repository: str, *, private: bool) -> str:
        pushed.append((folder, repository, private))
        return "https://hub.test"

    monkeypatch.setattr("a3t_orchestrator.cli.export.push_dataset", push)
    for name, value in {"A3T_HOME": str(home), "A3T_HUB_NAMESPACE": "org", "A3T_HUB_PRIVATE": "false"}.items():
        monkeypatch.setenv(name, value)
    for target in (tmp_path / "kto", tmp_path / "kto.jsonl"):
        assert guarded(build_root(), ["export", RUN, "--format", "kto", "--to", str(target)]) == 0
    assert pushed == [(tmp_path / "kto", f"org/{RUN}-kto", False)], "folders, and no single files"


def test_a_hub_out_of_reach_is_an_upstream_error(tmp_path: Path) -> None:
    from huggingface_hub import HfApi

    with pytest.raises(UpstreamError, match="did not accept org/data"):
        push_dataset(tmp_path, "org/data", api=HfApi(endpoint="http://127.0.0.1:9", token="t"))
