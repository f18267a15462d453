"""Lists trajectories with filters, orders and pages. Pages by cursor are equally fast wherever they begin."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, false, func, literal, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from a3t_contracts.errors import InvalidInputError

from .search import matches
from .tables import TrajectoryRow

__all__ = [
    "EpisodeFilter",
    "Order",
    "Page",
    "count_trajectories",
    "list_trajectories",
    "neighbours",
    "page_of_trajectories",
    "trajectory_ids",
]


@dataclass(frozen=True, slots=True)
class EpisodeFilter:
    """Which trajectories are listed. None matches any value."""

    run: str | None = None
    round: int | None = None
    kind: str | None = None
    phase: str | None = None
    split: str | None = None
    task_id: str | None = None
    task_type: str | None = None
    success: bool | None = None
    stop_reason: str | None = None
    sampled: bool | None = None
    """True: only episodes with a sampled step; False: only episodes without one."""
    invalid: bool | None = None
    """True: only episodes with an invalid turn; False: only episodes without one."""
    made_up: bool | None = None
    """True: only episodes with a made-up observation; False: only episodes without one."""
    search: str | None = None
    """Query of the full-text search (search.py)."""

    _COUNTS: ClassVar[dict[str, InstrumentedAttribute[int]]] = {
        "sampled": TrajectoryRow.n_sampled,
        "invalid": TrajectoryRow.n_invalid,
        "made_up": TrajectoryRow.n_made_up,
    }

    def conditions(self, session: Session) -> list[ColumnElement[bool]]:
        """Return the filter as SQL conditions for the session's database."""
        given = {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}
        return [self._condition(session, name, value) for name, value in given.items()]

    def _condition(self, session: Session, name: str, value: Any) -> ColumnElement[bool]:
        if name == "search":
            return matches(session, value)
        if name in self._COUNTS:
            return self._COUNTS[name] > 0 if value else self._COUNTS[name] == 0
        if isinstance(value, str) and "\0" in value:
            return false()  # PostgreSQL refuses to compare with such a value
        column: ColumnElement[bool] = getattr(TrajectoryRow, name) == value
        return column


class Order(StrEnum):
    """Orders of a list; those that begin with a minus are descending."""

    oldest = "created_at"
    newest = "-created_at"
    lowest_reward = "reward"
    highest_reward = "-reward"
    fewest_steps = "steps"
    most_steps = "-steps"
    fewest_sampled = "sampled"
    most_sampled = "-sampled"
    fewest_invalid = "invalid"
    most_invalid = "-invalid"
    quickest = "seconds"
    slowest = "-seconds"

    @property
    def descending(self) -> bool:
        """Whether the largest value comes first."""
        return self.value.startswith("-")

    @property
    def column(self) -> InstrumentedAttribute[Any]:
        """The column that is sorted by. Rows with equal values are sorted by their number."""
        name = self.value.removeprefix("-")
        found: InstrumentedAttribute[Any] = getattr(TrajectoryRow, _COLUMNS.get(name, name))
        return found


_COLUMNS = {"steps": "n_steps", "sampled": "n_sampled", "invalid": "n_invalid"}


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a list, and the cursors of the next and the previous page (None if there is none)."""

    rows: list[TrajectoryRow]
    total: int
    first: int
    """Place of the first row in the list, from 1; exact if no trajectory was stored since the first page."""
    next: str | None
    previous: str | None


@dataclass(frozen=True, slots=True)
class _Cursor:
    """A place in a list: after a row, or before it."""

    order: str
    value: Any
    number: int
    place: int
    """Number of rows before the page."""
    backward: bool = False

    def __str__(self) -> str:
        values = [self.order, self.value, self.number, self.place, self.backward]
        return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str, order: Order) -> _Cursor:
        try:
            found = cls(*json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))
            fits = found.order == order and _is_number(found.number) and _is_number(found.place)
            timed = order.column is TrajectoryRow.created_at
            fits = fits and (bool(datetime.fromisoformat(found.value).tzinfo) if timed else _is_number(found.value))
        except (binascii.Error, ValueError, TypeError):
            fits = False
        if not fits:
            raise InvalidInputError(
                f"{text[:200]!r} is not a cursor of a list sorted by {order.value!r}.",
                hint="Use `next_cursor` or `previous_cursor` of a page in the same order, or leave the cursor out.",
            )
        return found

    @property
    def moment(self) -> Any:
        """Return the value in the form that the database compares."""
        return datetime.fromisoformat(self.value) if isinstance(self.value, str) else self.value


def _is_number(value: object) -> bool:
    """Return whether PostgreSQL accepts the value for an integer column."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**31


def list_trajectories(
    session: Session, where: EpisodeFilter, limit: int = 50, offset: int = 0, order: Order = Order.oldest
) -> list[TrajectoryRow]:
    """Return one page of trajectories by its offset."""
    query = select(TrajectoryRow).where(*where.conditions(session)).order_by(*_sorted(order, order.descending))
    return list(session.scalars(query.limit(limit).offset(offset)))


def count_trajectories(session: Session, where: EpisodeFilter) -> int:
    """Return the number of matching trajectories over all pages."""
    query = select(func.count()).select_from(TrajectoryRow).where(*where.conditions(session))
    return session.scalar(query) or 0


def page_of_trajectories(
    session: Session,
    where: EpisodeFilter,
    order: Order = Order.oldest,
    cursor: str | None = None,
    limit: int = 50,
    offset: int = 0,
) -> Page:
    """Return the page after (or before) a cursor, or at an offset. Raises InvalidInputError for a wrong cursor."""
    at = _Cursor.read(cursor, order) if cursor else None
    total = count_trajectories(session, where)
    # One row more than the page shows is read, to find out whether there is another page; a second query would cost as
    # much as the first.
    if at is None:
        found, first = list_trajectories(session, where, limit + 1, offset, order), offset
    else:
        found = _beside(session, where, order, at, limit + 1)
        first = max(0, at.place - min(limit, len(found))) if at.backward else at.place
    backward, rows, more = at is not None and at.backward, found[:limit], len(found) > limit
    if not rows:
        return Page([], total, 0, None, None)
    if backward:
        rows = rows[::-1]
    after = _cursor_of(rows[-1], order, first + len(rows))
    before = _cursor_of(rows[0], order, first, backward=True)
    return Page(
        rows,
        total,
        first + 1,
        next=str(after) if backward or more else None,
        previous=str(before) if (more if backward else first > 0) else None,
    )


def neighbours(
    session: Session, row: TrajectoryRow, where: EpisodeFilter, order: Order
) -> tuple[TrajectoryRow | None, TrajectoryRow | None]:
    """Return the rows before and after a row in a list."""
    before = _beside(session, where, order, _cursor_of(row, order, 0, backward=True), 1)
    after = _beside(session, where, order, _cursor_of(row, order, 0), 1)
    return before[0] if before else None, after[0] if after else None


def trajectory_ids(session: Session, where: EpisodeFilter) -> list[str]:
    """Return the ids of all matching trajectories, in the order in which they were stored."""
    query = select(TrajectoryRow.id).where(*where.conditions(session))
    return list(session.scalars(query.order_by(*_sorted(Order.oldest, False))))


def _cursor_of(row: TrajectoryRow, order: Order, place: int, *, backward: bool = False) -> _Cursor:
    value = getattr(row, order.column.key)
    return _Cursor(order, value.isoformat() if isinstance(value, datetime) else value, row.number, place, backward)


def _beside(session: Session, where: EpisodeFilter, order: Order, at: _Cursor, limit: int) -> list[TrajectoryRow]:
    """Return rows after a place, the nearest first; for a backward cursor the rows before it."""
    falling = order.descending != at.backward
    here = tuple_(order.column, TrajectoryRow.number)
    place = tuple_(literal(at.moment, order.column.type), literal(at.number, TrajectoryRow.number.type))
    query = select(TrajectoryRow).where(*where.conditions(session), here < place if falling else here > place)
    return list(session.scalars(query.order_by(*_sorted(order, falling)).limit(limit)))


def _sorted(order: Order, falling: bool) -> list[ColumnElement[Any]]:
    columns: list[Any] = [order.column, TrajectoryRow.number]
    return [column.desc() if falling else column.asc() for column in columns]
