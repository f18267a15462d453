"""The interface of file formats: how an episode becomes a row, and how a row becomes an episode again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from a3t_contracts.schemas import Trajectory

from .columns import Columns, Row
from .draft import Draft

__all__ = ["Format", "RowOptions"]


@dataclass(frozen=True, slots=True)
class RowOptions:
    """Options of an export.

    `loss_flags`: whether messages get a flag that says if they are to be trained on, in formats where this flag is
    optional.
    """

    loss_flags: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A file format. A module in `interchange.formats` with a `FORMAT` adds a format."""

    name: str
    title: str
    """One line that says what the format is and which programs read it."""
    columns: Columns
    flagged_columns: Columns | None = None
    """The columns with `RowOptions.loss_flags`; None if they are the same."""
    row: Callable[[Trajectory, int, RowOptions], Row] | None = None
    """Makes the row of an episode; the number is its place in the file, from 0."""
    pair: Callable[[Trajectory, Trajectory], Row] | None = None
    """Makes the row of a success and a failure of one task, in formats for preference training."""
    read: Callable[[Row], Draft] | None = None
    """Makes the episode of a row, or raises InvalidInputError. None for a format that cannot be imported."""
    read_chosen: Callable[[Row], Draft] | None = None
    """Makes the better episode of a pair, in formats of pairs. Only used if the import asks for it (`--chosen`)."""
    recognises: Callable[[Row], bool] = lambda _: False
    """Returns whether a row looks like this format."""
    successes_only: bool = False
    """Whether failures are left out unless they are asked for, because the rows are imitated."""
    for_training: bool = True
    """Whether evaluation episodes are left out unless they are asked for, so that nobody trains on held-out tasks."""
    order: int = 0
    """Formats with a lower number are asked first whether they recognise a row."""

    def columns_with(self, options: RowOptions) -> Columns:
        """Return the columns of rows that are made with these options."""
        return self.flagged_columns if options.loss_flags and self.flagged_columns else self.columns
