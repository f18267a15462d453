"""Exports the episodes of a run (`a3t export`): as rows of a format, to a file, a folder or a stream."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import TrajectoryKind

from ..store import EpisodeFilter, Store, get_run
from ..store.selection import Selection, count_of, pages_of, pair_pages_of, pairs_count_of
from .card import dataset_card
from .columns import Row
from .format import Format, RowOptions
from .formats import format_named
from .parquet import FolderSink, ParquetSink
from .sinks import LinesSink, Sink, State

__all__ = ["ExportOrder", "Exported", "Outcome", "exported_rows", "total_of", "write_export"]

Outcome = Literal["success", "failure", "any"]
_LINES = (".jsonl", ".json", ".jsonl.gz", ".json.gz", ".ndjson")


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """Which episodes are exported, and how. With `outcome` None the format decides: formats for imitation take
    successes only."""

    run: str
    format: str = "a3t"
    where: EpisodeFilter = field(default_factory=EpisodeFilter)
    outcome: Outcome | None = None
    trained_in: int | None = None
    options: RowOptions = field(default_factory=RowOptions)

    @property
    def kind(self) -> Format:
        """Return the format. Raises InvalidInputError for an unknown one."""
        return format_named(self.format)

    @property
    def selection(self) -> Selection:
        """Return the selection of episodes. Evaluation episodes belong to it if they are asked for or the format is not
        for training."""
        wanted = self.outcome or ("success" if self.kind.successes_only else "any")
        success = None if wanted == "any" or self.kind.pair else wanted == "success"
        named = asdict(self.where) | {"run": self.run, "success": success}
        asked = self.where.kind == TrajectoryKind.evaluation
        return Selection(EpisodeFilter(**named), asked or not self.kind.for_training, self.trained_in)

    @property
    def fingerprint(self) -> str:
        """Return a hash that is equal for equal orders."""
        told = [self.format, asdict(self.options), self.selection.described()]
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(slots=True)
class Exported:
    """Numbers of what was written: rows, and episodes by round, kind and outcome."""

    rows: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        """Count a row."""
        self.rows += 1
        told = row if "round" in row else row.get("extra", {})
        outcome = "" if "success" not in told else "success" if told["success"] else "failure"
        key = f"{told.get('round', '')}/{told.get('kind', '')}/{outcome}"
        self.counts[key] = self.counts.get(key, 0) + 1


def total_of(store: Store, order: ExportOrder) -> int:
    """Return the number of episodes that an export reads, for a progress bar. Raises NotFoundError for an unknown
    run."""
    count = pairs_count_of if order.kind.pair else count_of
    with store.session() as session:
        get_run(session, order.run)
        return count(session, order.selection)


def exported_rows(
    store: Store, order: ExportOrder, after: int = 0, start: int = 0
) -> Iterator[tuple[list[Row], int, int]]:
    """Yield rows page by page, each page with the number of episodes that were read for it and the database row number
    of the last one.

    Args:
        after: only episodes after this row number of the database.
        start: number of rows that were written before the first one.
    """
    form, place = order.kind, start
    if form.pair is not None:
        for pairs, number in pair_pages_of(store, order.selection, after):
            yield [form.pair(success, failure) for success, failure in pairs], 1, number
        return
    if form.row is None:
        raise InvalidInputError(f"The format {form.name} cannot be written.")
    for page, number in pages_of(store, order.selection, after):
        rows = [form.row(trajectory, place + i, order.options) for i, trajectory in enumerate(page)]
        place += len(rows)
        yield rows, len(page), number


def write_export(
    store: Store, order: ExportOrder, target: Path, advance: Callable[[int], None] = lambda _: None
) -> Exported:
    """Write a file or folder. The ending of its name says in which form. An interrupted export of the same order is
    continued.

    Raises NotFoundError for an unknown run, InvalidInputError for an unknown ending or a folder with other content.

    Args:
        advance: receives the number of episodes that were read since its last call.
    """
    with store.session() as session:
        get_run(session, order.run)
    sink = _sink(store, order, target)
    try:
        state = sink.resume(order.fingerprint)
        done = Exported(state.get("rows", 0), state.get("counts", {}))
        advance(state.get("read", 0))
        read = state.get("read", 0)
        for rows, episodes, number in exported_rows(store, order, state.get("number", 0), done.rows):
            for row in rows:
                done.add(row)
            read += episodes
            noted: State = asdict(done) | {"number": number, "read": read}
            sink.write(rows, noted)
            advance(episodes)
        sink.finish()
    finally:
        sink.close()
    return done


def _sink(store: Store, order: ExportOrder, target: Path) -> Sink:
    name = target.name.lower()
    if name.endswith(_LINES):
        return LinesSink(target)
    if name.endswith(".parquet"):
        return ParquetSink(target, order.kind.columns_with(order.options))
    if target.suffix and not target.is_dir():
        known = ", ".join([*_LINES, ".parquet"])
        raise InvalidInputError(
            f"{target}: the ending {target.suffix!r} is unknown.",
            hint=f"The name of a file ends in {known}; the name of a folder has no ending.",
        )

    def card(state: dict[str, Any]) -> str:
        return dataset_card(store, order, state)

    return FolderSink(target, order.kind.columns_with(order.options), card)
