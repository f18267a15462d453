"""`a3t annotate`: action logs in, reasons out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from a3t_actre.annotate.cli import app
from a3t_contracts.cli import guarded
from a3t_contracts.react import render_trajectory
from a3t_contracts.schemas import ReasonBy, Source, Step, StopReason, Trajectory, TrajectoryKind
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from tests.actre.conftest import FIRST, Upstream
from tests.support.fault_proxy import FaultProxy
from tests.support.live_server import free_port
from tests.support.reason_model import SENTENCE

STEPS = [
    {"action": "go to drawer 1", "observation": "You arrive at drawer 1. The drawer 1 is closed."},
    {"action": "open drawer 1", "observation": "You open the drawer 1. The drawer 1 is open. In it, you see a mug 2."},
    {"action": "take mug 2 from drawer 1"},
]
COMMAND = [
    sys.executable,
    "-c",
    "from a3t_contracts.cli import guarded; from a3t_actre.annotate.cli import app; raise SystemExit(guarded(app))",
]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A3T_HOME", str(tmp_path / "home"))


def log(**keys: Any) -> dict[str, Any]:
    return {"environment": "alfworld", "observation": FIRST, "steps": STEPS} | keys


def write(path: Path, lines: Sequence[Any]) -> Path:
    path.write_text("".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines), encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def annotate(*arguments: object) -> int:
    return guarded(lambda: app([str(a) for a in arguments]))


def trajectory() -> Trajectory:
    observations = [FIRST, *(s["observation"] for s in STEPS[:2])]
    steps = [
        Step(index=i, observation=o, action=s["action"], source=Source.imported, reason_by=ReasonBy.none, valid=True)
        for i, (o, s) in enumerate(zip(observations, STEPS, strict=True))
    ]
    return Trajectory(
        id="t1",
        run="r",
        round=0,
        environment="alfworld",
        split="train",
        task_id="x",
        success=True,
        steps=steps,
        kind=TrajectoryKind.demonstration,
        stop_reason=StopReason.success,
        created_at=datetime.now(UTC),
        final_observation="You pick up the mug 2 from the drawer 1.",
    )


def test_a_log_comes_back_with_reasons_and_everything_else_untouched(tmp_path: Path) -> None:
    given = log(id="mine", user="bob", steps=[*STEPS[:2], STEPS[2] | {"clock": 3}])
    file = write(tmp_path / "log.jsonl", [given])
    assert annotate(file, "--local") == 0
    (got,) = read(tmp_path / "log.annotated.jsonl")
    assert [s["reason_annotator"] for s in got["steps"]] == ["template"] * 3
    assert "mug 2" in got["steps"][2]["thought"]
    for step in got["steps"]:
        del step["thought"], step["reason_annotator"], step["quality"]
    assert got == given


def test_a_trajectory_stays_one(tmp_path: Path) -> None:
    file = write(tmp_path / "t.jsonl", [trajectory().model_dump_json()])
    out = tmp_path / "out" / "t.jsonl"
    assert annotate(file, "--local", "--out", out) == 0
    got = Trajectory.model_validate_json(out.read_text())
    assert all(s.thought and s.reason_by == ReasonBy.actre and s.reason_annotator == "template" for s in got.steps)
    assert all(s.purpose is not None for s in got.steps)
    assert got.id == "t1"
    assert sum("Thought: " in segment.text for segment in render_trajectory(got)) == 3


def test_reasons_that_are_there_stay_unless_asked_for_again(tmp_path: Path) -> None:
    file = write(tmp_path / "log.jsonl", [log(id="x", steps=[STEPS[0] | {"thought": "Because."}, STEPS[1]])])
    annotate(file, "--local", "--out", tmp_path / "kept.jsonl")
    annotate(file, "--local", "--out", tmp_path / "new.jsonl", "--again")
    kept, new = read(tmp_path / "kept.jsonl")[0]["steps"], read(tmp_path / "new.jsonl")[0]["steps"]
    assert kept[0] == STEPS[0] | {"thought": "Because.", "quality": {"names_action": False, "leaks": []}}
    assert kept[1]["thought"]
    assert new[0]["thought"] != "Because."


def test_bad_lines_are_named_and_the_rest_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        log(id="a"),
        "no json",
        [1],
        log(id="b", steps=[]),
        log(id="c", environment="no such name"),
        "",
        log(id="a"),
        log(steps=[{"action": " "}]),
        log(id="d"),
    ]
    file = write(tmp_path / "log.jsonl", lines)
    assert annotate(file, "--local", "--json") == 2
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert (report["annotated"], report["bad_lines"], report["reasons"]) == (2, 6, 6)
    complaints = captured.err.splitlines()
    assert [line.split("line ")[1].split(":")[0] for line in complaints] == ["2", "3", "4", "5", "7", "8"]
    assert "the id 'a' was used in line 1" in captured.err
    assert [line["id"] for line in read(tmp_path / "log.annotated.jsonl")] == ["a", "d"]


def test_equal_lines_without_an_id_are_all_kept(tmp_path: Path) -> None:
    file = write(tmp_path / "log.jsonl", [log()] * 3)
    assert annotate(file, "--local") == 0
    assert len({line["id"] for line in read(tmp_path / "log.annotated.jsonl")}) == 3


def test_a_second_run_goes_on_after_a_cut_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "log.jsonl", [log(id=str(n)) for n in range(5)])
    out = tmp_path / "log.annotated.jsonl"
    annotate(file, "--local")
    whole = out.read_bytes()
    out.write_bytes(whole[: len(whole) // 2])
    capsys.readouterr()
    assert annotate(file, "--local", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["skipped"], report["annotated"]) == (2, 3)
    assert out.read_bytes() == whole


def test_a_killed_run_loses_and_repeats_nothing(tmp_path: Path) -> None:
    file = write(tmp_path / "log.jsonl", [log(id=str(n), steps=STEPS * 6) for n in range(400)])
    out = tmp_path / "log.annotated.jsonl"
    run = subprocess.Popen([*COMMAND, str(file), "--local"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not (out.exists() and out.stat().st_size):
        assert run.poll() is None, "the run ended before it could be killed"
    run.kill()
    assert run.wait() == -9
    before = len(read_whole_lines(out))
    assert before < 400
    assert annotate(file, "--local") == 0
    assert [line["id"] for line in read(out)] == [str(n) for n in range(400)]


def read_whole_lines(path: Path) -> list[bytes]:
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


@pytest.mark.parametrize(
    ("name", "content", "code", "message"),
    [
        ("missing.jsonl", None, 3, "There is no file"),
        ("binary.jsonl", b"\xff\xfe\x00", 2, "not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None, code: int, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert annotate(tmp_path / name, "--local") == code
    assert message in " ".join(capsys.readouterr().err.split())


def test_foreign_outputs_and_the_input_itself_are_not_written_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "log.jsonl", [log(id="a")])
    foreign = write(tmp_path / "notes.jsonl", ["dear diary"])
    assert annotate(file, "--local", "--out", foreign) == 2
    assert annotate(file, "--local", "--out", file) == 2
    assert foreign.read_text() == "dear diary\n"
    assert "not an output of `a3t annotate`" in " ".join(capsys.readouterr().err.split())


def test_two_runs_on_one_output_do_not_mix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from a3t_actre.annotate.files import Output

    file = write(tmp_path / "log.jsonl", [log(id="a")])
    with Output(tmp_path / "log.annotated.jsonl"):
        assert annotate(file, "--local") == 1
    assert "Another run is writing" in " ".join(capsys.readouterr().err.split())


def test_a_service_that_is_not_there_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "log.jsonl", [log(id="a")])
    assert annotate(file, "--url", f"http://127.0.0.1:{free_port()}") == 1
    error = capsys.readouterr().err
    assert error.count("cannot be reached") == 1
    assert "Traceback" not in error


def test_the_command_works_against_the_service(tmp_path: Path, actre_url: str) -> None:
    file = write(tmp_path / "log.jsonl", [log(id=str(n)) for n in range(20)])
    environment = os.environ | {"A3T_ACTRE_URL": actre_url, "A3T_TOKEN": DEVELOPMENT_TOKEN}
    done = subprocess.run(
        [*COMMAND, str(file), "--json"], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout)["reasons"] == 60
    assert [line["id"] for line in read(tmp_path / "log.annotated.jsonl")] == [str(n) for n in range(20)]


@pytest.mark.parametrize("upstream", ["openai"], indirect=True)
def test_each_reason_of_an_llm_knows_those_before_it(
    tmp_path: Path, upstream: Upstream, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in upstream.items():
        monkeypatch.setenv(f"A3T_{name.upper()}", str(value))
    file = write(tmp_path / "log.jsonl", [log(id="a")])
    assert annotate(file, "--local") == 0
    (got,) = read(tmp_path / "log.annotated.jsonl")
    assert [s["thought"] for s in got["steps"]] == [SENTENCE] * 3
    assert got["steps"][0]["reason_annotator"].startswith("llm:")
    assert [str(body).count(SENTENCE) for body in proxy.posts] == [0, 1, 2]


@pytest.mark.parametrize("upstream", ["openai"], indirect=True)
def test_lines_without_a_reason_are_left_for_the_next_run(
    tmp_path: Path,
    upstream: Upstream,
    proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in (upstream | {"actre_fallback": "fail", "actre_retries": 0}).items():
        monkeypatch.setenv(f"A3T_{name.upper()}", str(value))
    file = write(tmp_path / "log.jsonl", [log(id="a"), log(id="b", observation=FIRST + " Hurry.")])
    proxy.faults.append("")
    assert annotate(file, "--local", "--at-once", 1) == 1
    assert "line 1: The LLM gave no usable reason" in " ".join(capsys.readouterr().err.split())
    assert [line["id"] for line in read(tmp_path / "log.annotated.jsonl")] == ["b"]
    assert annotate(file, "--local") == 0
    assert [line["id"] for line in read(tmp_path / "log.annotated.jsonl")] == ["b", "a"]
