"""Plans the optimiser steps of a job, and splits each step into forward passes.

The plan depends only on the data and the seed. The number of a step determines its data, so a resumed job has the same
steps as one without interruption.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from a3t_contracts.schemas import Optimisation

from .sequences import TokenSequence

__all__ = ["StepPlan", "Unit", "build_units", "micro_batches", "pair_units", "single_units"]

Unit = tuple[TokenSequence, ...]
"""Sequences that must be in the same optimiser step: those of one trajectory (usually one sequence), or a (success,
failure) pair for DPO, which must also be in the same forward pass.
"""


def build_units(sequences: Sequence[TokenSequence]) -> list[Unit]:
    """One unit for each trajectory."""
    units: dict[str, list[TokenSequence]] = {}
    for sequence in sequences:
        units.setdefault(sequence.id, []).append(sequence)
    return [tuple(unit) for unit in units.values()]


def single_units(units: Sequence[Unit]) -> list[Unit]:
    """One unit for each sequence, for splitting a step into forward passes if its sequences may be in different
    ones.
    """
    return [(sequence,) for unit in units for sequence in unit]


def pair_units(sequences: Sequence[TokenSequence]) -> list[Unit]:
    """Every (success, failure) pair of the same task."""
    failures: dict[str, list[TokenSequence]] = {}
    for sequence in sequences:
        if sequence.failure:
            failures.setdefault(sequence.task, []).append(sequence)
    return [(s, f) for s in sequences if not s.failure for f in failures.get(s.task, ())]


@dataclass(frozen=True, slots=True)
class StepPlan:
    """The optimiser steps of a job over `units`. Steps are numbered from 0 across epochs."""

    units: Sequence[Unit]
    per_step: int
    seed: int
    total_steps: int

    @classmethod
    def of(cls, units: Sequence[Unit], optimisation: Optimisation, seed: int) -> StepPlan:
        """The plan for `epochs` passes, or for `max_steps` steps if that is set."""
        per_step = max(1, optimisation.trajectories_per_step // len({s.id for s in units[0]}))
        per_epoch = math.ceil(len(units) / per_step)
        total = optimisation.max_steps or math.ceil(optimisation.epochs * per_epoch)
        return cls(units, per_step, seed, total)

    @property
    def steps_per_epoch(self) -> int:
        """Number of optimiser steps in one pass over the units; the last step of a pass may have fewer units."""
        return math.ceil(len(self.units) / self.per_step)

    def step(self, number: int) -> list[Unit]:
        """The units of optimiser step `number`."""
        epoch, position = divmod(number, self.steps_per_epoch)
        order, start = self._order(epoch, position)
        return [self.units[i] for i in order[start :: self.steps_per_epoch]]

    def _order(self, epoch: int, position: int) -> tuple[list[int], int]:
        """Return the shuffled units of an epoch, failures first, and the index at which the step at `position`
        begins. A step takes every `steps_per_epoch`-th unit from there, so that each step gets an equal share of the
        failures (± 1).
        """
        rng = random.Random(f"{self.seed}/{epoch}")
        order = list(range(len(self.units)))
        rng.shuffle(order)
        starts = list(range(self.steps_per_epoch))
        rng.shuffle(starts)
        return sorted(order, key=lambda i: not self.units[i][0].failure), starts[position]


def micro_batches(
    step: Sequence[Unit], tokens_per_batch: int, *, packing: bool, multiple_of: int = 1
) -> list[list[Unit]]:
    """Split a step into forward passes of at most `tokens_per_batch` tokens, padding included.

    With packing, sequences are joined without padding; otherwise they are sorted by length, so that the rows of a pass
    are about equally long. A unit longer than the limit gets a separate pass. If several processes share the step,
    passes are split until their number is a multiple of `multiple_of`; empty ones are added if no pass can be split.
    """
    ordered = sorted(step, key=_longest, reverse=True)
    batches = _pack(ordered, tokens_per_batch) if packing else _pad(ordered, tokens_per_batch)
    while len(batches) % multiple_of:
        longest = max(batches, key=len)
        half = len(longest) // 2
        if half == 0:
            batches.append([])
            continue
        batches.append(longest[half:])
        del longest[half:]
    return batches


def _pack(ordered: Sequence[Unit], limit: int) -> list[list[Unit]]:
    """Pack units into the fewest passes that can hold the tokens. The longest unit comes first, and each goes to the
    emptiest pass, so that passes are evenly filled.
    """
    count = max(1, math.ceil(sum(map(_tokens, ordered)) / limit))
    batches: list[list[Unit]] = [[] for _ in range(count)]
    loads = [0] * count
    for unit in ordered:
        target = min(range(len(batches)), key=loads.__getitem__)
        if loads[target] and loads[target] + _tokens(unit) > limit:
            batches.append([])
            loads.append(0)
            target = len(batches) - 1
        batches[target].append(unit)
        loads[target] += _tokens(unit)
    return [b for b in batches if b]


def _pad(ordered: Sequence[Unit], limit: int) -> list[list[Unit]]:
    batches: list[list[Unit]] = []
    for unit in ordered:
        if batches:
            rows = sum(map(len, batches[-1])) + len(unit)
            if rows * max(_longest(batches[-1][0]), _longest(unit)) <= limit:
                batches[-1].append(unit)
                continue
        batches.append([unit])
    return batches


def _tokens(unit: Unit) -> int:
    return sum(map(len, unit))


def _longest(unit: Unit) -> int:
    return max(map(len, unit))
