"""What a file format is: how an episode becomes a row of it, and how a row becomes an episode again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from a3t_contracts.schemas import Trajectory

from .columns import Columns, Row
from .draft import Draft

__all__ = ["Format", "RowOptions"]


@dataclass(frozen=True, slots=True)
class RowOptions:
    """Choices of whoever exports.

    `loss_flags`: messages say whether they are to be trained on, where the format leaves that open.
    """

    loss_flags: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A file format. A module of `interchange.formats` with a `FORMAT` adds one."""

    name: str
    title: str
    """What it is and who reads it, in one line."""
    columns: Columns
    flagged_columns: Columns | None = None
    """The columns with `RowOptions.loss_flags`, where they differ."""
    row: Callable[[Trajectory, int, RowOptions], Row] | None = None
    """The row of an episode; the number is its place in the file, from 0."""
    pair: Callable[[Trajectory, Trajectory], Row] | None = None
    """The row of a success and a failure of one task, for formats of preferences."""
    read: Callable[[Row], Draft] | None = None
    """The episode of a row; raises InvalidInputError. None for a format that cannot be imported."""
    read_chosen: Callable[[Row], Draft] | None = None
    """The better episode of a pair, for formats that cannot be read whole: only where whoever imports asks for it."""
    recognises: Callable[[Row], bool] = lambda _: False
    """Whether a row looks like this format."""
    successes_only: bool = False
    """Whether failures are left out unless they are asked for: what is imitated."""
    for_training: bool = True
    """Whether episodes of evaluation are left out unless they are asked for: what was held out stays so."""
    order: int = 0
    """Place among the formats that are asked whether they recognise a row; the lowest first."""

    def columns_with(self, options: RowOptions) -> Columns:
        """The columns of rows that were made with these options."""
        return self.flagged_columns if options.loss_flags and self.flagged_columns else self.columns
