"""The record of a run's first steps: what it says of two runs, and that the shipped bases still begin as they did."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.errors import NotFoundError
from a3t_contracts.schemas import Trajectory
from a3t_pretrain.household import HouseholdLexicon
from a3t_pretrain.loop import Pretraining
from a3t_pretrain.record import Recorder, StartRecord, compare, recorded_start
from a3t_pretrain.sequences import Encoder
from a3t_pretrain.settings import ModelShape, PretrainSettings

Write = Callable[..., Awaitable[list[Trajectory]]]
KNOWN = StartRecord(corpus="c", weights={50: "w"}, losses={10: 5.0, 50: 3.0, 150: 2.2}, torch="2", processor="x86_64 A")
DRIFTED = KNOWN.model_copy(update={"weights": {50: "v"}, "losses": {10: 5.0, 50: 3.001}})


@pytest.mark.parametrize(
    ("found", "same", "exact", "words"),
    [
        (KNOWN, True, True, "Bit for bit the same after 50 steps"),
        (KNOWN.model_copy(update={"processor": "x86_64 B"}), True, True, "Bit for bit"),
        (KNOWN.model_copy(update={"corpus": "d"}), False, False, "The corpus differs"),
        (DRIFTED, False, False, "from step 50 on, .* on the same kind of processor"),
        (DRIFTED.model_copy(update={"processor": "x86_64 B"}), True, False, "The machines differ"),
        (
            DRIFTED.model_copy(update={"torch": "3", "losses": {10: 5.0, 50: 3.4}}),
            False,
            False,
            "losses by up to 0.4 in the first 100 steps",
        ),
        (DRIFTED.model_copy(update={"torch": "3", "losses": {10: 5.0}}), False, False, "The machines differ"),
        (
            DRIFTED.model_copy(update={"torch": "3", "losses": {10: 5.0, 50: 3.0, 150: 2.0}}),
            True,
            False,
            "The machines differ",
        ),
    ],
)
def test_verdicts(found: StartRecord, same: bool, exact: bool, words: str) -> None:
    verdict = compare(KNOWN, found)
    assert (verdict.same, verdict.exact) == (same, exact)
    assert re.search(words, verdict.detail), verdict.detail


async def test_a_run_records_itself_also_over_an_interruption(exercises: Write, tmp_path: Path) -> None:
    lexicon = HouseholdLexicon()
    encoder = Encoder(lexicon.tokenizer, lexicon.weighing)
    corpus = [encoder.sequence(t) for t in await exercises(24)]
    shape = ModelShape(hidden=64, layers=2, heads=2, head_size=32, feed_forward=64)
    settings = PretrainSettings(tokens=10**6, tokens_per_step=1024, checkpoint_steps=20, shape=shape)

    def go(name: str, *stops: int) -> StartRecord:
        folder = tmp_path / name
        folder.mkdir()
        for stop in stops:
            run = Pretraining(settings, lexicon, corpus, folder, "same")
            recorder = Recorder(folder / "start.json", "corpus")
            run.fit(lambda _, loss, run=run, to=recorder: to.note(run.step, loss, run.model), stop)  # type: ignore[misc]
        return StartRecord.model_validate_json((folder / "start.json").read_text())

    whole = go("whole", 50)
    assert list(whole.losses) == [10, 20, 30, 40, 50]
    assert list(whole.weights) == [50]
    assert compare(whole, go("cut", 33, 50)).exact


@pytest.mark.parametrize("name", ["a3t/tiny", "a3t/tiny-webshop"])
def test_the_shipped_bases_have_a_record(name: str) -> None:
    settings, start = recorded_start(Path(resolve_base_model(name)))
    assert settings["seed"] == 0
    assert list(start.weights) == [50, 100, 150, 200]


def test_a_base_without_a_record_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "pretraining.json").write_text('{"settings": {}}')
    with pytest.raises(NotFoundError, match="no record of a run's first steps"):
        recorded_start(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["a3t/tiny", "a3t/tiny-webshop"])
def test_the_command_still_begins_as_the_shipped_base_did(name: str, tmp_path: Path) -> None:
    """Corpus and 200 steps, some minutes: bit for bit on the recorded processor, alike elsewhere."""
    program = [str(Path(sys.executable).with_name("a3t")), "pretrain", str(tmp_path), "--check", name, "--json"]
    done = subprocess.run(program, capture_output=True, text=True, env={**os.environ, "TERM": "dumb"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["same"]
