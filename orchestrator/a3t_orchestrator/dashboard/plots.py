"""The data of plots. plots.js draws them, and the template `plot.html` writes the same figures as a table."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field

__all__ = ["REFERENCE", "Plot", "Series", "Sparkline", "colour", "sparkline"]

REFERENCE = 0
"""Colour number of published results of others."""
_COLOURS = 6


class Series(BaseModel):
    """One line or one set of bars in a plot."""

    name: str = Field(description="Name in the legend")
    values: list[float | None] = Field(description="One value for each x; null where there is none")
    low: list[float | None] | None = Field(None, description="Lower ends of the intervals; null without intervals")
    high: list[float | None] | None = Field(None, description="Upper ends of the intervals; null without intervals")
    colour: int = Field(1, description="Number of the colour: 1 to 6, or 0 for published results of others")
    dashed: bool = Field(False, description="Whether the line is dashed")
    bars: bool = Field(False, description="Whether the values are drawn as bars from 0 instead of a line")


class Plot(BaseModel):
    """A plot."""

    title: str = Field(description="What the plot shows")
    x_label: str = Field(description="Label of the x axis")
    y_label: str = Field(description="Label of the y axis, with its unit")
    x: list[float] = Field(description="The x values in ascending order")
    series: list[Series] = Field(description="The series to draw, from back to front")
    y_max: float | None = Field(None, description="Upper end of the y axis; null fits it to the values")
    digits: int = Field(1, description="Number of decimals of the values in the table and the legend")
    whole_x: bool = Field(True, description="Whether the x values are whole numbers, such as rounds")
    note: str = Field("", description="Remark below the plot")

    @property
    def rows(self) -> list[list[str]]:
        """Return the rows of the table: x, and each series with its interval."""
        return [
            [f"{x:g}", *(_cell(series, index, self.digits) for series in self.series)] for index, x in enumerate(self.x)
        ]


def colour(index: int) -> int:
    """Return the number of the colour for the series `index`, from 0."""
    return 1 + index % _COLOURS


class Sparkline(BaseModel):
    """A small curve without axes, of shares from 0 to 1."""

    points: str = Field(description="Points of an SVG polyline, 112 units wide and 36 high")
    x: float = Field(description="Where it ends")
    y: float = Field(description="Where it ends")
    last: float = Field(description="The last share")


def sparkline(shares: Sequence[float]) -> Sparkline:
    """Make the curve of one or more shares."""
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
