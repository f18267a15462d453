"""Data augmentation: permutes the names in an episode each time that the episode is trained on.

If an environment treats some names alike, an episode stays valid when all mugs in it become plates. Without such
permutations, tiny models memorise the names in a few dozen episodes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import Augmentation

from .sequences import TokenSequence

__all__ = ["NamePermutation"]


class NamePermutation:
    """Draws a permutation of each group of words, a new one for each sequence and optimiser step.

    The draw depends only on the seed, the optimiser step and the sequence's id, so a resumed job repeats it.
    Raises InvalidInputError for a word that the tokenizer does not write as one token.
    """

    def __init__(self, tokenizer: Any, augmentation: Augmentation, seed: int) -> None:
        self._groups = [[_token(tokenizer, word) for word in group] for group in augmentation.interchangeable]
        self._share, self._seed = augmentation.share, seed
        self._identity = np.arange(len(tokenizer), dtype=np.int64)

    def apply(self, sequence: TokenSequence, step: int) -> TokenSequence:
        """Return the sequence with its names permuted for optimiser step `step`."""
        rng = random.Random(f"{self._seed}/{step}/{sequence.id}")
        table = self._identity.copy()
        for group in self._groups:
            if rng.random() < self._share:
                table[group] = rng.sample(group, len(group))
        return replace(sequence, ids=table[sequence.ids])

    def apply_all(self, unit: Sequence[TokenSequence], step: int) -> tuple[TokenSequence, ...]:
        """`apply` for every sequence of a unit."""
        return tuple(self.apply(sequence, step) for sequence in unit)


def _token(tokenizer: Any, word: str) -> int:
    ids: list[int] = tokenizer.encode(f" {word}", add_special_tokens=False)
    if len(ids) != 1:
        raise InvalidInputError(
            f"augmentation.interchangeable has {word!r}, which is {len(ids)} tokens in the base model's tokenizer.",
            hint="Only words that are one token (after a blank) can be exchanged; leave the others out.",
        )
    return ids[0]
