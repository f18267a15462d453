"""`a3t annotate` for environments without a template: descriptions, batch files, estimates, quality, marks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from a3t_actre.annotate.cli import app
from a3t_actre.annotate.quality import quality_of
from a3t_contracts.cli import guarded
from a3t_contracts.react import History, Turn
from a3t_contracts.schemas import ReasonBy, Source, Step, StopReason, Trajectory, TrajectoryKind
from tests.support.live_server import live_server
from tests.support.scripted_completions import ScriptedCompletions

LOG = {
    "observation": "You stand below. Your task is to: light the lamp.",
    "steps": [
        {"action": "climb the stairs", "observation": "You are above. A brass lever sticks out of the wall."},
        {"action": "pull the lever", "observation": "The lamp burns."},
    ],
}


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A3T_HOME", str(tmp_path / "home"))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "log.jsonl").write_text(json.dumps(LOG | {"id": "one"}) + "\n" + json.dumps(LOG | {"id": "two"}) + "\n")
    return tmp_path / "log.jsonl"


def annotate(*arguments: object) -> int:
    return guarded(lambda: app([str(a) for a in arguments]))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def answers(requests: list[dict[str, Any]], path: Path, *, text: str = "It may be up there, so I go on.") -> Path:
    body = {"model": "m-1", "choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    replies = [
        {"custom_id": r["custom_id"], "response": {"status_code": 200, "body": body}, "error": None} for r in requests
    ]
    path.write_text("".join(json.dumps(reply) + "\n" for reply in replies), encoding="utf-8")
    return path


def test_a_description_takes_the_place_of_a_template(log: Path, tmp_path: Path) -> None:
    (tmp_path / "about.txt").write_text("A tower with a lamp on its top.", encoding="utf-8")
    given = ("--environment", "tower", "--about", f"@{tmp_path / 'about.txt'}")
    assert annotate(log, "--batch-out", tmp_path / "ask.jsonl", *given) == 0
    assert "A tower with a lamp on its top." in lines(tmp_path / "ask.jsonl")[0]["body"]["messages"][0]["content"]
    assert annotate(log, "--local", *given) == 0
    (one, two) = lines(tmp_path / "log.annotated.jsonl")
    assert {one["environment"], two["environment"]} == {"tower"}
    assert all(step["thought"] for step in one["steps"])
    assert annotate(log, "--local", "--out", tmp_path / "x.jsonl") == 2, "a log without an environment is a bad line"


def test_a_batch_goes_out_and_its_answers_come_in(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--environment", "tower")
    annotate(log, "--batch-out", tmp_path / "ask.jsonl", "--batch-model", "m-1", *given)
    requests = lines(tmp_path / "ask.jsonl")
    assert len({r["custom_id"] for r in requests}) == 4
    assert max(len(r["custom_id"]) for r in requests) <= 64
    assert {(r["method"], r["url"], r["body"]["model"]) for r in requests} == {("POST", "/v1/chat/completions", "m-1")}
    some = answers(requests[:3], tmp_path / "some.jsonl")
    with some.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"custom_id": "x", "response": None, "error": {"code": "expired"}}) + "\n")
    assert annotate(log, "--batch-in", some, *given) == 1, "two lacks an answer"
    assert [line["id"] for line in lines(tmp_path / "log.annotated.jsonl")] == ["one"]
    annotate(log, "--batch-in", some, "--batch-out", tmp_path / "rest.jsonl", *given)
    rest = lines(tmp_path / "rest.jsonl")
    assert [r["custom_id"] for r in rest] == [requests[3]["custom_id"]]
    capsys.readouterr()
    more = answers(rest, tmp_path / "more.jsonl")
    assert annotate(log, "--batch-in", some, "--batch-in", more, *given, "--json") == 0
    assert json.loads(capsys.readouterr().out)["reasons"] == 2
    done = lines(tmp_path / "log.annotated.jsonl")
    assert [line["id"] for line in done] == ["one", "two"]
    assert {s["reason_annotator"] for line in done for s in line["steps"]} == {"batch:m-1"}


@pytest.mark.parametrize("text", ["", "Action: climb the stairs", "\ufffd\ufffd"])
def test_an_answer_that_is_no_reason_is_asked_for_again(log: Path, tmp_path: Path, text: str) -> None:
    given = ("--environment", "tower")
    annotate(log, "--batch-out", tmp_path / "ask.jsonl", *given)
    bad = answers(lines(tmp_path / "ask.jsonl"), tmp_path / "bad.jsonl", text=text)
    assert annotate(log, "--batch-in", bad, *given) == 1
    annotate(log, "--batch-in", bad, "--batch-out", tmp_path / "again.jsonl", *given)
    assert len(lines(tmp_path / "again.jsonl")) == 4


def test_a_file_that_is_no_batch_is_refused_by_line(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.jsonl").write_text('\n{"id": 3}\n', encoding="utf-8")
    assert annotate(log, "--batch-in", tmp_path / "x.jsonl") == 2
    assert "line 2: this is not an answer of a batch" in capsys.readouterr().err


def test_what_it_takes_is_told_before_it_begins(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = annotate(log, "--local", "--dry-run", "--environment", "tower", "--price-in", 1, "--price-out", 2, "--json")
    told = json.loads(capsys.readouterr().out)
    assert (code, told["episodes"], told["reasons"], told["completion_tokens"]) == (0, 2, 4, 120)
    assert told["dollars"] == pytest.approx((told["prompt_tokens"] + 240) / 1e6)
    assert told["seconds"] > 0
    assert not log.with_name("log.annotated.jsonl").exists()


HISTORY = History(
    environment="tower",
    observation="You stand below, beside shelf 1. Your task is to: light the lamp.",
    turns=[Turn(thought=None, action="climb the stairs", observation="You are above.")],
)


@pytest.mark.parametrize(
    ("reason", "names_action", "leaks"),
    [
        ("The stairs led me here, so I search the wall for a way to the lamp.", True, []),
        ("Something has to be done now.", False, []),
        ("There will be a brass lever in the wall.", True, ["brass", "lever"]),
        ("I search shelf 1.", True, []),
        ("I search because it is on shelf 3.", True, ["shelf 3"]),
    ],
)
def test_a_reason_names_its_action_and_knows_nothing_of_later(
    reason: str, names_action: bool, leaks: list[str]
) -> None:
    later = ["A brass lever, and shelf 3.", "pull the lever"]
    quality = quality_of(reason, "search the wall", HISTORY, later)
    assert (quality.names_action, quality.leaks) == (names_action, leaks)


def test_a_trajectory_s_own_observation_is_nothing_that_leaks(tmp_path: Path) -> None:
    steps = [
        Step(
            index=i,
            observation=observation,
            thought=f"Here is {thing}, which I take.",
            action=f"take {thing}",
            source=Source.imported,
            reason_by=ReasonBy.actre,
            valid=True,
        )
        for i, (observation, thing) in enumerate([("A rope lies here.", "rope"), ("A bell hangs here.", "bell")])
    ]
    one = Trajectory(
        id="t",
        run="r",
        round=0,
        environment="tower",
        split="train",
        task_id="x",
        kind=TrajectoryKind.demonstration,
        steps=steps,
        final_observation="Done.",
        success=True,
        stop_reason=StopReason.success,
        created_at="2026-01-01T00:00:00Z",
    )
    (tmp_path / "t.jsonl").write_text(one.model_dump_json() + "\n", encoding="utf-8")
    assert annotate(tmp_path / "t.jsonl", "--local") == 0
    got = Trajectory.model_validate(lines(tmp_path / "t.annotated.jsonl")[0])
    assert got.metadata["quality"] == {n: {"names_action": True, "leaks": []} for n in ("0", "1")}


def test_a_judge_marks_every_reason(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert annotate(log, "--local", "--environment", "tower", "--judge") == 2
    assert "A3T_ACTRE_UPSTREAM_URL" in capsys.readouterr().err
    llm = ScriptedCompletions()
    llm.text = " 4, it is clear"
    with live_server(llm.app()) as url:
        monkeypatch.setenv("A3T_ACTRE_UPSTREAM_URL", f"{url}/v1")
        code = annotate(log, "--local", "--annotator", "template", "--environment", "tower", "--judge", "--json")
        told = json.loads(capsys.readouterr().out)
        assert (code, told["judged"], told["marks"]) == (0, 4, 16)
        assert all(text in llm.prompts[1] for text in ("You are above.", "Action: pull the lever"))
        steps = [s for line in lines(tmp_path / "log.annotated.jsonl") for s in line["steps"]]
        assert [s["quality"]["judge"] for s in steps] == [4] * 4
        llm.text = " no mark"
        annotate(log, "--local", "--environment", "tower", "--judge", "--json", "--out", tmp_path / "x.jsonl")
        assert json.loads(capsys.readouterr().out)["judged"] == 0
