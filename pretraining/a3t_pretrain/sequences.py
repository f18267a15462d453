"""Encodes exercises as token sequences with a weight for each token, with names permuted at random."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from a3t_contracts.byte_cache import ByteCache
from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.react import render_trajectory
from a3t_contracts.schemas import Source, Step, Trajectory

from .practice import Weighing
from .vocabulary import NUMBERS, OBJECTS, RECEPTACLES

__all__ = ["Encoder", "Exercised", "batches", "collate", "read_corpus", "shuffled_names"]

_KEPT_BYTES = 256 * 2**20
"""Most bytes of texts and their token ids to cache, because observations and thoughts occur in many exercises."""
_RANDOM_THOUGHT_WEIGHT = 0.2
"""Weight of the thought of a random action, which cannot be predicted. The action can: it repeats the thought."""
_NEXT_PLACE_WEIGHT = 0.5
"""Weight of the next place of a search, which is partly drawn at random."""


@dataclass(frozen=True, slots=True)
class Exercised:
    """Token ids and the weight of predicting each of them; the first weight is 0."""

    ids: NDArray[np.int64]
    weights: NDArray[np.float32]


class Encoder:
    """Encodes trajectories segment by segment, as the trainer and the policy service do."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, weighing: Weighing) -> None:
        self.weighing = weighing
        cache: ByteCache[str, tuple[int, ...]] = ByteCache(
            _KEPT_BYTES, lambda text: tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
        )
        self._encode = cache.get
        self._chance = self._encode(weighing.chance)[0] if weighing.chance else -1

    def sequence(self, trajectory: Trajectory) -> Exercised:
        """Encode a trajectory as token ids and, for each, the weight of predicting it; the first token weighs 0."""
        ids: list[int] = []
        weights: list[float] = []
        segments = render_trajectory(trajectory)
        if not self.weighing.last_observation:
            last = max(at for at, segment in enumerate(segments) if segment.kind == "completion")
            segments = segments[: last + 1]
        for segment in segments:
            part = self._encode(segment.text)
            first = not ids
            ids += part
            if segment.kind == "completion":
                weights += self._completion_weights(trajectory.steps[segment.turn], segment.text, part)
            else:
                observed = len(part) <= self.weighing.most_observed and (self.weighing.first_observed or not first)
                weights += [self.weighing.observation if observed else 0.0] * len(part)
        weights[0] = 0.0
        return Exercised(np.array(ids, np.int64), np.array(weights, np.float32))

    def _completion_weights(self, step: Step, text: str, ids: tuple[int, ...]) -> list[float]:
        if not step.valid:
            return [0.0] * len(ids)
        weights = [1.0] * len(ids)
        if step.source is Source.sampled:
            thought = len(self._encode(text.partition(".\nAction:")[0]))
            weights[:thought] = [_RANDOM_THOUGHT_WEIGHT] * thought
        if self._chance in ids:
            at = ids.index(self._chance)
            weights[at + 1 : at + 3] = [_NEXT_PLACE_WEIGHT] * len(weights[at + 1 : at + 3])
        return weights


def read_corpus(path: Path, encoder: Encoder) -> list[Exercised]:
    """Read the sequences of a JSONL corpus, except those that are too long.

    Raises NotFoundError, and InvalidInputError, which names the line.
    """
    if not path.is_file():
        raise NotFoundError(f"There is no corpus {path}.")
    sequences = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                sequences.append(encoder.sequence(Trajectory.model_validate_json(line)))
            except ValueError as error:
                raise InvalidInputError(f"{path}:{number} is not a trajectory: {str(error).splitlines()[0]}") from error
    kept = [s for s in sequences if len(s.ids) <= encoder.weighing.most_tokens]
    if not kept:
        raise InvalidInputError(f"{path} has no exercise to learn from.", hint="Write the corpus again.")
    return kept


def shuffled_names(tokenizer: PreTrainedTokenizerBase, rng: random.Random) -> NDArray[np.int64]:
    """A table id → id that permutes the names of things, half of the time those of places and the numbers, too."""
    table = np.arange(len(tokenizer))
    for words, share in ((OBJECTS, 1.0), (RECEPTACLES, 0.5), (NUMBERS[1:], 0.5)):
        if rng.random() < share:
            ids = _ids(tokenizer, tuple(words))
            table[list(ids)] = rng.sample(ids, len(ids))
    return table


@lru_cache(maxsize=8)
def _ids(tokenizer: PreTrainedTokenizerBase, words: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(tokenizer(f" {word}", add_special_tokens=False)["input_ids"][0] for word in words)


def batches(sequences: Iterable[Exercised], tokens: int, rng: random.Random) -> Iterator[list[Exercised]]:
    """Batches of sequences of like length, at most `tokens` each with padding, in random order."""
    groups: list[list[Exercised]] = [[]]
    for sequence in sorted(sequences, key=lambda s: len(s.ids)):
        if groups[-1] and len(sequence.ids) * (len(groups[-1]) + 1) > tokens:
            groups.append([])
        groups[-1].append(sequence)
    rng.shuffle(groups)
    yield from groups


def collate(batch: Sequence[Exercised]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and weights of shape (sequences, longest), padded on the right with 0."""
    length = max(len(s.ids) for s in batch)
    ids = np.zeros((len(batch), length), np.int64)
    weights = np.zeros((len(batch), length), np.float32)
    for row, sequence in enumerate(batch):
        ids[row, : len(sequence.ids)] = sequence.ids
        weights[row, : len(sequence.ids)] = sequence.weights
    return torch.from_numpy(ids), torch.from_numpy(weights)
