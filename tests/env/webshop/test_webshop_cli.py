"""`a3t data … webshop` and the replay's command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_env.cli.mount import app
from a3t_env.webshop.folders import catalogue_folder
from tests.support.webshop_files import RECORDS, record, write_files


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("A3T_HOME", str(tmp_path / "home"))
    return CliRunner()


def test_generate_import_list_verify(run: CliRunner, tmp_path: Path) -> None:
    made = run.invoke(app, ["generate", "webshop", "--products", "50", "--json"])
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["products"] == 50
    files = write_files(tmp_path / "files", [*RECORDS, record("ODD0000001", "odd", pricing="ask us")])
    imported = run.invoke(app, ["import", "webshop", str(files)])
    assert imported.exit_code == 0, imported.output
    assert "30 products, 4 goals, 1 human goals" in imported.stdout
    assert "'ask us' is not a number" in " ".join(imported.stderr.split())
    rows = {row["catalogue"]: row for row in json.loads(run.invoke(app, ["list", "webshop", "--json"]).stdout)}
    assert rows["imported"]["current"]
    assert rows["generated"]["products"] == 50
    run.invoke(app, ["list", "webshop", "--use", "generated"])
    rows = {row["catalogue"]: row for row in json.loads(run.invoke(app, ["list", "webshop", "--json"]).stdout)}
    assert rows["generated"]["current"]
    verified = run.invoke(app, ["verify", "webshop"])
    assert (verified.exit_code, verified.stdout.count("good")) == (0, 2)
    (tmp_path / "home/data/webshop/generated/doc.inv").write_bytes(b"")
    broken = run.invoke(app, ["verify", "webshop", "--json"])
    assert broken.exit_code == 1
    assert "doc.inv" in json.loads(broken.stdout)["generated"][0]


def test_bad_input_is_a_typed_error(run: CliRunner, tmp_path: Path) -> None:
    assert isinstance(run.invoke(app, ["import", "webshop", str(tmp_path / "nowhere")]).exception, NotFoundError)
    assert isinstance(run.invoke(app, ["verify", "webshop", "x"]).exception, InvalidInputError)
    assert isinstance(run.invoke(app, ["generate", "webshop", "--name", "../x"]).exception, InvalidInputError)
    assert run.invoke(app, ["generate", "webshop", "--products", "0"]).exit_code == 2


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "current", "-x", "x" * 65])
def test_names_never_become_paths(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot be the name of a catalogue"):
        catalogue_folder(tmp_path, name)


def test_replay_on_the_command_line(tmp_path: Path) -> None:
    files = write_files(tmp_path / "files", RECORDS)
    reference = tmp_path / "reference"
    reference.mkdir()
    rows = [
        {
            "id": 1,
            "kind": "x",
            "q": "green lamp",
            "asins": ["LAMP000002", "LAMP000003", "LAMP000001"],
            "terms": ["green", "lamp"],
        },
        {"id": 2, "kind": "x", "q": "shoe", "asins": ["NOTTHERE00"], "terms": ["shoe"]},
    ]
    (reference / "rankings_test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    command = [sys.executable, "-m", "a3t_env.webshop.replay", "--catalogue", str(files), "--reference", str(reference)]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    found = {a["kind"]: a for a in json.loads(done.stdout)}
    assert (found["terms of queries"]["equal"], found["rankings, ten places"]["equal"]) == (2, 1)
    assert found["rankings, ten places"]["differences"][0]["where"] == "query 2: 'shoe'"
    nothing = subprocess.run([*command[:-1], str(files)], capture_output=True, text=True, check=False)
    assert nothing.returncode == 2
    assert "There are no recordings" in nothing.stderr
