"""Steps see everything once an epoch, keep failures mixed in, and are cut into passes within the limit."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from a3t_contracts.schemas import Optimisation
from a3t_trainer.encoding.plan import StepPlan, Unit, build_units, micro_batches, pair_units
from a3t_trainer.encoding.sequences import TokenSequence


def sequence(number: int, length: int = 10, failure: bool = False, task: str = "a") -> TokenSequence:
    ids = np.zeros(length, dtype=np.int64)
    return TokenSequence(str(number), task, ids, ids.astype(np.int8), ids.astype(np.float32), 1.0, failure)


@given(successes=st.integers(1, 40), failures=st.integers(0, 20), per_step=st.integers(1, 17), seed=st.integers(0, 5))
def test_an_epoch_has_every_trajectory_once_and_spreads_failures(
    successes: int, failures: int, per_step: int, seed: int
) -> None:
    units = build_units([sequence(i, failure=i < failures) for i in range(successes + failures)])
    plan = StepPlan.of(units, Optimisation(epochs=2, trajectories_per_step=per_step), seed)
    assert plan.total_steps == 2 * plan.steps_per_epoch
    for epoch in range(2):
        steps = [plan.step(epoch * plan.steps_per_epoch + i) for i in range(plan.steps_per_epoch)]
        assert Counter(u[0].id for s in steps for u in s) == Counter(str(i) for i in range(successes + failures))
        assert max(map(len, steps)) <= per_step
        shares = [sum(u[0].failure for u in s) for s in steps]
        assert max(shares) - min(shares) <= 1


def test_the_plan_depends_on_the_seed_alone() -> None:
    units = build_units([sequence(i) for i in range(30)])

    def ids(seed: int, step: int) -> list[str]:
        return [u[0].id for u in StepPlan.of(units, Optimisation(trajectories_per_step=7), seed).step(step)]

    assert ids(0, 11) == ids(0, 11)
    assert ids(0, 11) != ids(1, 11)
    assert sorted(ids(0, 0)) != sorted(ids(0, 5))


def test_max_steps_and_fractions_of_epochs() -> None:
    units = build_units([sequence(i) for i in range(10)])
    assert StepPlan.of(units, Optimisation(epochs=1.5, trajectories_per_step=5), 0).total_steps == 3
    assert StepPlan.of(units, Optimisation(max_steps=99, trajectories_per_step=5), 0).total_steps == 99


@given(
    lengths=st.lists(st.integers(2, 300), min_size=1, max_size=40),
    limit=st.integers(50, 600),
    processes=st.integers(1, 4),
    packing=st.booleans(),
)
def test_passes_hold_each_unit_once_and_stay_within_the_limit(
    lengths: list[int], limit: int, processes: int, packing: bool
) -> None:
    units = build_units([sequence(i, length) for i, length in enumerate(lengths)])
    batches = micro_batches(units, limit, packing=packing, multiple_of=processes)
    assert Counter(u[0].id for b in batches for u in b) == Counter(str(i) for i in range(len(lengths)))
    assert len(batches) % processes == 0
    for batch in batches:
        if len(batch) > 1:
            sizes = [len(u[0]) for u in batch]
            assert (sum(sizes) if packing else len(sizes) * max(sizes)) <= limit


def test_rows_of_a_padded_pass_are_about_equally_long() -> None:
    units = build_units([sequence(i, length) for i, length in enumerate([100, 10, 98, 11, 99, 12])])
    batches = micro_batches(units, 300, packing=False)
    assert [[len(u[0]) for u in b] for b in batches] == [[100, 99, 98], [12, 11, 10]]


def test_pairs_are_all_successes_with_all_failures_of_a_task() -> None:
    sequences = [sequence(0), sequence(1), sequence(2, failure=True), sequence(3, task="b")]
    pairs: list[Unit] = pair_units(sequences)
    assert [(s.id, f.id) for s, f in pairs] == [("0", "2"), ("1", "2")]
