"""The results of one recipe with several seeds: each run's scores by round, and their means with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, Field

from a3t_contracts.errors import InvalidInputError

from .model import Evaluated, Report
from .stats import Mean, Score, mean_of, score

__all__ = ["SeedRound", "SeedRun", "SeedSplit", "SeedsReport", "over_seeds"]

_OWN_KEYS = ("seed", "name")
"""Keys of the recipe in which runs of the same recipe may differ."""


class SeedRun(BaseModel):
    """One of the runs."""

    run: str = Field(description="Name of the run")
    seed: int = Field(description="Seed of the run")
    commit: str = Field(description="Commit of the code that began the run; empty where it is not known")
    seconds: float | None = Field(description="Seconds from the start of the run to its end; null before its end")


class SeedRound(BaseModel):
    """The agents of one round, an entry for each run, and their means over the runs."""

    round: int | None = Field(description="Number of the round; null for the base model")
    single: list[Score] = Field(description="Score of each run's agent alone, one trial per task")
    accumulated: list[Score] = Field(description="Score of the best trial of each task over the rounds so far")
    mean_single: Mean = Field(description="Mean of the success rates of `single`, 0 to 1")
    mean_accumulated: Mean = Field(description="Mean of the success rates of `accumulated`, 0 to 1")
    mean_reward: Mean = Field(description="Mean of the final rewards of `single`, 0 to 1")


class SeedSplit(BaseModel):
    """Results on a held-out split: of the rounds in which all runs were evaluated on it."""

    split: str = Field(description="Held-out split of the environment")
    rounds: list[SeedRound] = Field(description="The base model, where it was evaluated, and the rounds in order")
    by_type: dict[str, Score] = Field(description="Score of the last round's agents by type of task, all runs together")


class SeedsReport(BaseModel):
    """The results of one recipe with several seeds."""

    name: str = Field(description="Name of the recipe")
    environment: str = Field(description="Environment of the runs")
    base_model: str = Field(description="Base model of the runs")
    runs: list[SeedRun] = Field(description="The runs in the order in which they were named")
    splits: list[SeedSplit] = Field(description="Results by held-out split")


def over_seeds(reports: Sequence[Report]) -> SeedsReport:
    """Gather the reports of runs that differ only in their seed. Raises InvalidInputError where two have the same seed,
    their recipes differ in another key, or no round was evaluated in all of them.
    """
    _check(reports)
    first = reports[0]
    splits = [found for split in _splits(first) if (found := _split(split, reports)).rounds]
    if not splits:
        raise InvalidInputError(
            "No round was evaluated on the same held-out split in all of these runs.",
            hint="Wait until the runs have finished a round, or evaluate them: a3t eval --run RUN --split SPLIT.",
        )
    return SeedsReport(
        name=str(first.recipe["name"]),
        environment=first.environment,
        base_model=first.base_model,
        runs=[SeedRun(run=r.run, seed=r.seed, commit=r.commit, seconds=_seconds(r)) for r in reports],
        splits=splits,
    )


def _check(reports: Sequence[Report]) -> None:
    seen: dict[int, str] = {}
    for report in reports:
        if report.seed in seen:
            raise InvalidInputError(
                f"The runs {seen[report.seed]!r} and {report.run!r} have the same seed, {report.seed}.",
                hint="Name runs with different seeds, or a single run.",
            )
        seen[report.seed] = report.run
        keys = sorted(_differing(reports[0].recipe, report.recipe))
        if keys:
            raise InvalidInputError(
                f"The recipes of {reports[0].run!r} and {report.run!r} differ in {', '.join(keys)}.",
                hint="Name runs that differ only in their seed; `a3t ablate` compares runs with different recipes.",
            )


def _differing(one: dict[str, Any], other: dict[str, Any], at: str = "") -> Iterator[str]:
    """The keys, with dots, in which two recipes differ."""
    for key in one.keys() | other.keys():
        mine, theirs = one.get(key), other.get(key)
        if mine == theirs or (not at and key in _OWN_KEYS):
            continue
        if isinstance(mine, dict) and isinstance(theirs, dict):
            yield from _differing(mine, theirs, f"{at}{key}.")
        else:
            yield f"{at}{key}"


def _splits(report: Report) -> list[str]:
    return sorted({e.split for r in report.rounds for e in r.evaluations})


def _split(split: str, reports: Sequence[Report]) -> SeedSplit:
    found = [_by_round(split, report) for report in reports]
    shared = [number for number in found[0] if all(number in one for one in found)]
    rounds = [_round(number, [one[number] for one in found]) for number in shared]
    types = [one[shared[-1]].by_type for one in found] if shared else []
    return SeedSplit(
        split=split,
        rounds=rounds,
        by_type={name: _sum([t[name] for t in types if name in t]) for name in sorted({n for t in types for n in t})},
    )


def _by_round(split: str, report: Report) -> dict[int | None, Evaluated]:
    rounds = [(None, report.base), *((r.round, r.evaluations) for r in report.rounds)]
    return {number: e for number, evaluations in rounds for e in evaluations if e.split == split}


def _round(number: int | None, found: Sequence[Evaluated]) -> SeedRound:
    single, accumulated = [e.single for e in found], [e.accumulated for e in found]
    return SeedRound(
        round=number,
        single=single,
        accumulated=accumulated,
        mean_single=mean_of([s.rate for s in single]),
        mean_accumulated=mean_of([s.rate for s in accumulated]),
        mean_reward=mean_of([s.reward for s in single]),
    )


def _sum(scores: Sequence[Score]) -> Score:
    n = sum(s.n for s in scores)
    return score(n, sum(s.successes for s in scores), sum(s.reward * s.n for s in scores))


def _seconds(report: Report) -> float | None:
    return None if report.finished_at is None else (report.finished_at - report.created_at).total_seconds()
