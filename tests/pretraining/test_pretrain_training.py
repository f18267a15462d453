"""The structured start, the optimiser, and a training run that survives interruptions."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import torch

from a3t_contracts.errors import ConflictError, InvalidInputError
from a3t_contracts.schemas import Source, Trajectory
from a3t_pretrain.household import HouseholdLexicon
from a3t_pretrain.loop import Pretraining, weighted_loss
from a3t_pretrain.model import new_model
from a3t_pretrain.muon import MuonAdamW
from a3t_pretrain.sequences import Encoder, Exercised, batches, collate, read_corpus, shuffled_names
from a3t_pretrain.settings import ModelShape, PretrainSettings

LEXICON = HouseholdLexicon()
TOKENIZER = LEXICON.tokenizer
Write = Callable[..., Awaitable[list[Trajectory]]]
SMALL = ModelShape(hidden=64, layers=2, heads=2, head_size=32, feed_forward=64)


@pytest.fixture
async def corpus(exercises: Write) -> list[Exercised]:
    encoder = Encoder(TOKENIZER, LEXICON.weighing)
    return [encoder.sequence(t) for t in await exercises(24)]


def test_a_structured_start_copies_before_any_training() -> None:
    model = new_model(ModelShape(), TOKENIZER, seed=0)
    rng = random.Random(0)
    first = rng.sample(range(300, len(TOKENIZER)), 60)
    with torch.no_grad():
        best = model(input_ids=torch.tensor([first + first])).logits[0].argmax(-1).tolist()
    right = sum(best[i] == (first + first)[i + 1] for i in range(61, 119))
    assert right / 58 > 0.6


def test_weights_of_a_run_do_not_depend_on_interruptions(corpus: list[Exercised], tmp_path: Path) -> None:
    settings = PretrainSettings(tokens=30_000, tokens_per_step=2048, checkpoint_steps=3, shape=SMALL)
    whole = Pretraining(settings, LEXICON, corpus, _folder(tmp_path / "whole"), "same")
    whole.fit(lambda *_: None)

    class _Killed(Exception):
        pass

    def kill(tokens: int, _: float) -> None:
        if tokens > 15_000:
            raise _Killed

    folder = _folder(tmp_path / "cut")
    with pytest.raises(_Killed):
        Pretraining(settings, LEXICON, corpus, folder, "same").fit(kill)
    resumed = Pretraining(settings, LEXICON, corpus, folder, "same")
    resumed.fit(lambda *_: None)
    assert resumed.step == whole.step
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name


def test_a_checkpoint_of_another_run_is_refused(corpus: list[Exercised], tmp_path: Path) -> None:
    settings = PretrainSettings(tokens=8_000, tokens_per_step=2048, checkpoint_steps=1, shape=SMALL)
    folder = _folder(tmp_path / "run")
    Pretraining(settings, LEXICON, corpus, folder, "one").fit(lambda *_: None)
    with pytest.raises(ConflictError, match="other settings or another corpus"):
        Pretraining(settings, LEXICON, corpus, folder, "two").fit(lambda *_: None)


def test_training_learns(corpus: list[Exercised]) -> None:
    model = new_model(SMALL, TOKENIZER, seed=0)
    optimiser = MuonAdamW(model)
    ids, weights = collate(corpus[:6])
    losses = []
    for _ in range(30):
        loss = weighted_loss(model, ids, weights)
        loss.backward()
        optimiser.step(4e-3)
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


async def test_slips_are_not_learnt(exercises: Write) -> None:
    encoder = Encoder(TOKENIZER, LEXICON.weighing)
    made = [t for t in await exercises(120) if any(not s.valid and s.source is Source.sampled for s in t.steps)]
    assert made
    for trajectory in made:
        sequence = encoder.sequence(trajectory)
        slip = next(s for s in trajectory.steps if not s.valid and s.source is Source.sampled)
        turn = TOKENIZER(f"Thought: {slip.thought}\nAction: {slip.action}\n", add_special_tokens=False)["input_ids"]
        ids = sequence.ids.tolist()
        starts = [i for i in range(len(ids)) if ids[i : i + len(turn)] == turn]
        assert any(not sequence.weights[i : i + len(turn)].any() for i in starts)


def test_shuffling_permutes_names_and_leaves_the_rest() -> None:
    table = shuffled_names(TOKENIZER, random.Random(3))
    assert sorted(table) == list(range(len(TOKENIZER)))
    phrase = TOKENIZER("Observation: You arrive at", add_special_tokens=False)["input_ids"]
    assert table[phrase].tolist() == phrase


def test_batches_hold_their_bound(corpus: list[Exercised]) -> None:
    made = list(batches(corpus, 2048, random.Random(0)))
    assert sum(len(b) for b in made) == len(corpus)
    assert all(len(b) == 1 or len(b) * max(len(s.ids) for s in b) <= 2048 for b in made)


def test_a_broken_corpus_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"id": "x"}\n')
    with pytest.raises(InvalidInputError, match=r"corpus\.jsonl:1"):
        read_corpus(path, Encoder(TOKENIZER, LEXICON.weighing))


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
