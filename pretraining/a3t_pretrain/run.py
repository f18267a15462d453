"""A pretraining run from the start to the finished model: games, exercises, training, card. Every stage is
resumable."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from a3t_contracts.clients import ActReClient, EnvClient
from a3t_contracts.files import replaced_atomically
from a3t_contracts.registry import sha256_file
from a3t_contracts.schemas import Trajectory

from .accuracy import turns_right
from .card import write_model
from .corpus import corpus_line, write_corpus
from .environments import practice_for
from .loop import Pretraining
from .practice import Lexicon, Practice
from .record import RECORDED_STEPS, Recorder, Verdict, compare, recorded_start
from .sequences import Encoder, read_corpus
from .services import generate_data, own_services
from .settings import PretrainSettings, default_settings

__all__ = ["Progress", "Services", "check", "pretrain"]

Progress = Callable[[str, int, int, float | None], None]
"""Called with the stage, the amount done, the total, and the loss (None in stages without one)."""

CORPUS, HELD_OUT, START = "corpus.jsonl", "held-out.jsonl", "start.json"


@dataclass(frozen=True, slots=True)
class Services:
    """Running services to play exercises in. The env service has tasks in the split of the exercises."""

    env_url: str
    actre_url: str
    token: str


def pretrain(folder: Path, settings: PretrainSettings, report: Progress, services: Services | None = None) -> None:
    """Make a base model in `folder`; intermediate files go to `folder/work`.

    Without `services`, games are generated in a separate data folder, and both services are started. If it was
    interrupted, the next call continues.
    """
    work = _prepared(folder, settings, report, services)
    _train(folder, work, settings, report)


def check(folder: Path, base: Path, report: Progress, services: Services | None = None) -> Verdict:
    """Repeat the corpus and the first steps of a finished base in `folder`, and compare them with its record. Raises
    NotFoundError if the base has no record."""
    settings, recorded = recorded_start(base)
    given = default_settings(settings.pop("environment", "alfworld"), **settings)
    work = _prepared(folder, given, report, services)
    begun = _begin(work, given)
    begun.fit(
        lambda loss: report("training", min(begun.run.step, RECORDED_STEPS), RECORDED_STEPS, loss), RECORDED_STEPS
    )
    return compare(recorded, begun.recorder.record)


def _prepared(folder: Path, settings: PretrainSettings, report: Progress, services: Services | None) -> Path:
    """The folder of intermediate files, with the exercises in it."""
    work = folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    if not (work / HELD_OUT).is_file():
        asyncio.run(_write_exercises(work, settings, report, services))
    return work


async def _write_exercises(work: Path, settings: PretrainSettings, report: Progress, services: Services | None) -> None:
    async with AsyncExitStack() as stack:
        if services is None:
            home = work / "home"
            report("games", 0, settings.games, None)
            await asyncio.to_thread(generate_data, home, settings)
            report("games", settings.games, settings.games, None)
            env, actre = await stack.enter_async_context(own_services(home))
        else:
            env = await stack.enter_async_context(EnvClient(services.env_url, services.token))
            actre = await stack.enter_async_context(ActReClient(services.actre_url, services.token))
        await _write(env, actre, settings, work / CORPUS, settings.exercises, settings.seed, report)
        await _write(env, actre, settings, work / HELD_OUT, settings.held_out, settings.seed + 1_000_003, report)


async def _write(
    env: EnvClient,
    actre: ActReClient,
    settings: PretrainSettings,
    path: Path,
    count: int,
    seed: int,
    report: Progress,
) -> None:
    """Write a JSONL file, which appears under its name when it is complete."""
    if path.is_file():
        return

    def told(stage: str, done: int, total: int) -> None:
        report(stage, done, total, None)

    practice = practice_for(settings.environment)
    with replaced_atomically(path) as file:
        async for trajectory in write_corpus(env, actre, practice.split, count, seed, told, practice):
            file.write(corpus_line(trajectory))


@dataclass(slots=True)
class _Begun:
    """A training run over the exercises in a work folder, and the record of its first steps."""

    practice: Practice
    lexicon: Lexicon
    run: Pretraining
    recorder: Recorder

    def fit(self, told: Callable[[float], None], most_steps: int | None = None) -> None:
        def progress(_: int, loss: float) -> None:
            self.recorder.note(self.run.step, loss, self.run.model)
            told(loss)

        self.run.fit(progress, most_steps)


def _begin(work: Path, settings: PretrainSettings) -> _Begun:
    practice = practice_for(settings.environment)
    lexicon = practice.lexicon(work / CORPUS)
    corpus = read_corpus(work / CORPUS, Encoder(lexicon.tokenizer, lexicon.weighing))
    run = Pretraining(settings, lexicon, corpus, work, _identity(work, settings))
    return _Begun(practice, lexicon, run, Recorder(work / START, sha256_file(work / CORPUS)))


def _train(folder: Path, work: Path, settings: PretrainSettings, report: Progress) -> None:
    begun = _begin(work, settings)
    run, lexicon = begun.run, begun.lexicon
    started = time.monotonic()
    begun.fit(lambda loss: report("training", min(run.tokens, settings.tokens), settings.tokens, loss))
    lines = (work / HELD_OUT).read_text(encoding="utf-8").splitlines()
    held_out = [Trajectory.model_validate_json(line) for line in lines]
    figures = turns_right(run.model, lexicon.tokenizer, held_out, begun.practice.verb)
    seconds = run.seconds_before + time.monotonic() - started
    write_model(folder, run.model, lexicon.tokenizer, settings, figures, seconds, begun.recorder.record)


def _identity(work: Path, settings: PretrainSettings) -> str:
    """A hash of the settings and the corpus. A checkpoint is continued only if its hash is the same."""
    return hashlib.sha256(f"{sha256_file(work / CORPUS)} {settings.model_dump_json()}".encode()).hexdigest()
