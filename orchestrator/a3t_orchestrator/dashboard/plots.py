"""What a plot shows: plots.js draws it, and the template `plot.html` writes the same figures as a table."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field

__all__ = ["REFERENCE", "Plot", "Series", "Sparkline", "colour", "sparkline"]

REFERENCE = 0
"""Colour of figures that are not ours."""
_COLOURS = 6


class Series(BaseModel):
    """One line, or one set of bars."""

    name: str = Field(description="Name in the legend")
    values: list[float | None] = Field(description="One value for each x; null where there is none")
    low: list[float | None] | None = Field(None, description="Lower ends of the intervals; null without intervals")
    high: list[float | None] | None = Field(None, description="Upper ends of the intervals; null without intervals")
    colour: int = Field(1, description="1 to 6, or 0 for figures of others")
    dashed: bool = Field(False, description="Whether the line is dashed")
    bars: bool = Field(False, description="Whether the values are bars, which stand from 0")


class Plot(BaseModel):
    """A plot."""

    title: str = Field(description="What it shows")
    x_label: str = Field(description="What x is")
    y_label: str = Field(description="What y is, with its unit")
    x: list[float] = Field(description="The x of each value, rising")
    series: list[Series] = Field(description="What is drawn, the first one at the back")
    y_max: float | None = Field(None, description="Upper end of the y axis; null fits it to the values")
    digits: int = Field(1, description="Decimals of the values in the table and the legend")
    whole_x: bool = Field(True, description="Whether x are whole numbers, such as rounds")
    note: str = Field("", description="What a reader has to know")

    @property
    def rows(self) -> list[list[str]]:
        """The table: x, and each series with its interval."""
        return [
            [f"{x:g}", *(_cell(series, index, self.digits) for series in self.series)] for index, x in enumerate(self.x)
        ]


def colour(index: int) -> int:
    """The colour of the nth thing, from 0."""
    return 1 + index % _COLOURS


class Sparkline(BaseModel):
    """A small curve without axes, of shares from 0 to 1."""

    points: str = Field(description="Points of an SVG polyline, 112 wide and 36 high")
    x: float = Field(description="Where it ends")
    y: float = Field(description="Where it ends")
    last: float = Field(description="The last share")


def sparkline(shares: Sequence[float]) -> Sparkline:
    """The curve of some shares, at least one."""
    width, height, edge = 112, 36, 4
    shown = [shares[0], *shares] if len(shares) == 1 else list(shares)
    step = (width - 2 * edge) / (len(shown) - 1)
    places = [(edge + i * step, height - edge - share * (height - 2 * edge)) for i, share in enumerate(shown)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return Sparkline(points=points, x=places[-1][0], y=places[-1][1], last=shares[-1])


def _cell(series: Series, index: int, digits: int) -> str:
    value = series.values[index]
    if value is None:
        return "–"
    low = series.low[index] if series.low else None
    high = series.high[index] if series.high else None
    text = f"{value:.{digits}f}"
    return text if low is None or high is None else f"{text} [{low:.{digits}f}–{high:.{digits}f}]"
