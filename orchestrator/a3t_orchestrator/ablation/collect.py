"""Reads the results of a comparison's runs from the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import BaseModel

from ..report.collect import collect_report
from ..report.model import Evaluated, Report
from ..report.stats import Mean, mean_of
from ..store import Store, run_statuses
from .plan import Ablation, PlannedRun, arm_to_compare_with

__all__ = ["ArmResult", "Comparison", "SeedResult", "collect_comparison"]


class SeedResult(BaseModel):
    """The figures of a finished run: success on the split by round, the training set of the last round, and the
    composed episodes of all rounds."""

    run: str
    seed: int
    commit: str
    success: list[float]
    accumulated: float
    trials: int
    training_successes: int
    training_failures: int
    composed: int
    kept: int
    composed_steps: int
    failed_tasks: int
    rescued: int
    hindsight: int = 0
    seconds: float

    @property
    def kept_rate(self) -> float:
        """Composed successes per 1,000 steps of composed episodes."""
        return 1000 * self.kept / self.composed_steps if self.composed_steps else 0.0

    @property
    def hindsight_rate(self) -> float:
        """Successes by hindsight per 1,000 steps of composed episodes."""
        return 1000 * self.hindsight / self.composed_steps if self.composed_steps else 0.0

    @property
    def rescued_share(self) -> float:
        """Share of the failed tasks for which a composed episode succeeded, over all rounds together."""
        return self.rescued / self.failed_tasks if self.failed_tasks else 0.0


class ArmResult(BaseModel):
    """The results of an arm over its seeds. A field `…difference` is the mean over seeds of the difference from the arm
    `Comparison.against` with the same seed.

    `kept`: composed successes per 1,000 steps of composed episodes. `rescued`: of the tasks that the agent's own trial
    failed, the share for which a composed episode succeeded. `hindsight`: failed composed episodes that became
    successes of other tasks, per 1,000 steps of composed episodes.
    """

    arm: str
    about: str
    seeds: list[SeedResult]
    first: Mean | None = None
    last: Mean | None = None
    accumulated: Mean | None = None
    difference: Mean | None = None
    kept: Mean | None = None
    kept_difference: Mean | None = None
    rescued: Mean | None = None
    rescued_difference: Mean | None = None
    hindsight: Mean | None = None


class Comparison(BaseModel):
    """The results of all arms. `missing`: runs that are not finished."""

    name: str
    split: str
    base_model: str
    against: str
    arms: list[ArmResult]
    missing: list[str]


def collect_comparison(
    store: Store, ablation: Ablation, runs: Sequence[PlannedRun], against: str | None = None
) -> Comparison:
    """Read the finished runs of a comparison. Differences are from the arm `against`; see `arm_to_compare_with`."""
    against = arm_to_compare_with(ablation, runs, against)
    with store.session() as session:
        statuses = run_statuses(session, [run.name for run in runs])
    finished = {name for name, status in statuses.items() if status == "finished"}
    results: dict[str, list[SeedResult]] = {arm: [] for arm in ablation.arms}
    for run in runs:
        if run.name in finished:
            results[run.arm].append(_seed_result(collect_report(store, run.name), run.seed, ablation.split))
    wanted = {run.arm for run in runs}
    return Comparison(
        name=ablation.name,
        split=ablation.split,
        base_model=runs[0].recipe.base_model,
        against=against,
        arms=[
            _arm(arm, ablation.arms[arm].about, seeds, results[against])
            for arm, seeds in results.items()
            if arm in wanted
        ],
        missing=[run.name for run in runs if run.name not in finished],
    )


def _seed_result(report: Report, seed: int, split: str) -> SeedResult:
    evaluations = [_on(split, r.evaluations) for r in report.rounds]
    scored = [e for e in evaluations if e is not None]
    last = report.rounds[-1]
    return SeedResult(
        run=report.run,
        seed=seed,
        commit=report.commit,
        success=[e.single.rate for e in scored],
        accumulated=scored[-1].accumulated.rate,
        trials=scored[-1].single.n,
        training_successes=last.training_successes,
        training_failures=last.training_failures,
        composed=sum(r.composition.composed for r in report.rounds),
        kept=sum(r.composition.kept for r in report.rounds),
        composed_steps=sum(r.composition.steps for r in report.rounds),
        failed_tasks=sum(r.composition.failed_tasks for r in report.rounds),
        rescued=sum(r.composition.rescued for r in report.rounds),
        hindsight=sum(r.composition.hindsight for r in report.rounds),
        seconds=sum(sum(r.spent.seconds.values()) for r in report.rounds),
    )


def _on(split: str, evaluations: Sequence[Evaluated]) -> Evaluated | None:
    return next((e for e in evaluations if e.split == split), None)


def _arm(arm: str, about: str, seeds: list[SeedResult], baseline: list[SeedResult]) -> ArmResult:
    if not seeds:
        return ArmResult(arm=arm, about=about, seeds=[])

    def difference(figure: Callable[[SeedResult], float]) -> Mean | None:
        theirs = {s.seed: figure(s) for s in baseline}
        found = [figure(s) - theirs[s.seed] for s in seeds if s.seed in theirs]
        return mean_of(found) if found and seeds is not baseline else None

    return ArmResult(
        arm=arm,
        about=about,
        seeds=seeds,
        first=mean_of([s.success[0] for s in seeds]),
        last=mean_of([s.success[-1] for s in seeds]),
        accumulated=mean_of([s.accumulated for s in seeds]),
        difference=difference(lambda s: s.success[-1]),
        kept=mean_of([s.kept_rate for s in seeds]),
        kept_difference=difference(lambda s: s.kept_rate),
        rescued=mean_of([s.rescued_share for s in seeds]),
        rescued_difference=difference(lambda s: s.rescued_share),
        hindsight=mean_of([s.hindsight_rate for s in seeds]),
    )
