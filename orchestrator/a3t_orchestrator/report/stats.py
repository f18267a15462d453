"""Success rates and means over seeds, with their 95 % confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import mean, stdev

from pydantic import BaseModel, Field

__all__ = ["Mean", "Score", "mean_of", "score", "score_of", "wilson"]

_Z95 = 1.959963984540054
_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Quantiles of Student's t for a two-sided 95 % interval, for 1 to 10 degrees of freedom."""


class Score(BaseModel):
    """Successes of `n` trials; `low` and `high` bound the rate with 95 % confidence (Wilson)."""

    n: int = Field(description="Number of trials")
    successes: int = Field(description="Number of successful trials")
    rate: float = Field(description="Share of successful trials, 0 to 1; 0 without trials")
    low: float = Field(description="Lower end of the 95 % interval of the rate")
    high: float = Field(description="Upper end of the 95 % interval of the rate")
    reward: float = Field(description="Mean final reward of the trials, 0 to 1")

    @property
    def percent(self) -> str:
        """Return the rate in percent with its interval, e.g. `83.3 % [70.2–91.4]`."""
        return f"{100 * self.rate:.1f} % [{100 * self.low:.1f}–{100 * self.high:.1f}]" if self.n else "–"


class Mean(BaseModel):
    """A mean over seeds with its 95 % confidence interval (Student's t). A single seed has no interval."""

    n: int
    mean: float
    low: float | None = None
    high: float | None = None

    @property
    def percent(self) -> str:
        """Return the mean in percent, e.g. `83.3 % [70.2–91.4]`, or without an interval `83.3 %`. The interval is
        clipped to 0 to 100."""
        if self.low is None or self.high is None:
            return f"{100 * self.mean:.1f} %"
        return f"{100 * self.mean:.1f} % [{100 * max(0.0, self.low):.1f}–{100 * min(1.0, self.high):.1f}]"


def mean_of(values: Sequence[float]) -> Mean:
    """Return mean and 95 % interval of independent values."""
    n, centre = len(values), mean(values)
    if n < 2:
        return Mean(n=n, mean=centre)
    t = _T95[n - 2] if n - 2 < len(_T95) else _Z95
    half = t * stdev(values) / math.sqrt(n)
    return Mean(n=n, mean=centre, low=centre - half, high=centre + half)


def wilson(successes: int, n: int, z: float = _Z95) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion (Wilson 1927); (0, 1) without trials."""
    if n == 0:
        return 0.0, 1.0
    p, z2 = successes / n, z * z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high


def score_of(outcomes: Iterable[tuple[bool, float]]) -> Score:
    """Return the score of (success, reward) pairs."""
    pairs = list(outcomes)
    return score(len(pairs), sum(success for success, _ in pairs), sum(reward for _, reward in pairs))


def score(n: int, successes: int, reward: float) -> Score:
    """Return the score of `n` trials; `reward` is the sum of their rewards."""
    low, high = wilson(successes, n)
    rate, mean_reward = (successes / n, reward / n) if n else (0.0, 0.0)
    return Score(n=n, successes=successes, rate=rate, low=low, high=high, reward=mean_reward)
