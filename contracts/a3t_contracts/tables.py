"""Prints tables that fit the screen without cutting an id, a path or a heading.

The first of these forms that fits is used: a table with lines, a table without lines, a table with one column per
record, one paragraph per record. Output to a file or pipe has unlimited width unless COLUMNS is set.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from .cli import console

__all__ = ["Cell", "print_table"]

Cell = str | Text
"""A cell. A string is printed as it is, even if it looks like rich's markup."""

_UNBOUNDED = 100_000
_ON_ITS_SIDE = 8
"""Largest number of records that are printed as columns."""
_BETWEEN = " · "


def print_table(
    heads: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    title: str = "",
    caption: str = "",
    right: Collection[str] = (),
    screen: Console = console,
) -> None:
    """Print records in the widest form that fits the screen.

    Args:
        heads: column headings; a line break in one saves width.
        rows: cells of each record, one per heading.
        title: line above the table.
        caption: line below the table.
        right: headings of the columns that are aligned to the right, such as numbers.
        screen: console to print to; standard output by default.
    """
    if title:
        screen.print(Text(title, "bold"), soft_wrap=True)
    width = screen.width if screen.is_terminal or "COLUMNS" in os.environ else _UNBOUNDED
    texts = [[_text(cell) for cell in row] for row in rows]
    screen.print(_Wide(_fitting(heads, texts, right, width), width), crop=False)
    if caption:
        screen.print(Text(caption, "dim"), soft_wrap=True)


class _Wide:
    """Content that is rendered at a fixed width instead of the screen's."""

    def __init__(self, content: RenderableType, width: int) -> None:
        self._content, self._width = content, width

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from console.render(self._content, options.update(width=self._width))


def _fitting(
    heads: Sequence[str], rows: Sequence[Sequence[Text]], right: Collection[str], width: int
) -> RenderableType:
    columns = [[Text(head), *(row[i] for row in rows)] for i, head in enumerate(heads)]
    for table, between, edges in ((Table(), 3, 1), (_bare(), 1, -1)):
        widths = _widths(columns, width - between * len(heads) - edges)
        if widths:
            for head, wide in zip(heads, widths, strict=True):
                table.add_column(Text(head), justify="right" if head in right else "left", width=wide)
            return _filled(table, rows)
    turned = [[Text(_in_one_line(head), "bold"), *(row[i] for row in rows)] for i, head in enumerate(heads)]
    widths = _widths(list(zip(*turned, strict=True)), width - 2 * (len(rows) + 1))
    if widths and len(rows) <= _ON_ITS_SIDE:
        grid = Table.grid(padding=(0, 2, 0, 0))
        for wide in widths:
            grid.add_column(width=wide)
        return _filled(grid, turned)
    records = [Text("\n").join(_paragraph(heads, row, width)) for row in rows]
    return Text("\n\n", no_wrap=True, overflow="ignore").join(records)


def _widths(columns: Sequence[Sequence[Text]], room: int) -> list[int]:
    """Choose a width for each column so that no word is broken, and as few lines as possible; [] if the room is too
    small."""
    needed = [max(map(_longest_word, column)) for column in columns]
    missing = [max(map(_longest_line, column)) - least for column, least in zip(columns, needed, strict=True)]
    spare = room - sum(needed)
    if spare < 0:
        return []
    for left, index in zip(
        range(len(columns), 0, -1), sorted(range(len(columns)), key=missing.__getitem__), strict=True
    ):
        given = min(missing[index], spare // left)
        needed[index] += given
        spare -= given
    return needed


def _bare() -> Table:
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)


def _filled(table: Table, rows: Sequence[Sequence[Text]]) -> Table:
    for row in rows:
        table.add_row(*row)
    return table


def _paragraph(heads: Sequence[str], row: Sequence[Text], width: int) -> Iterator[Text]:
    """Yield the headings and values of a record, as many per line as fit."""
    line = Text()
    for head, cell in zip(heads, row, strict=True):
        value = Text(" ").join(cell.split("\n")) if cell.plain else Text("–")
        part = Text.assemble((_in_one_line(head), "bold"), " " if head else "", value)
        if line and line.cell_len + len(_BETWEEN) + part.cell_len > width:
            yield line
            line = Text()
        line = Text(_BETWEEN, "dim").join([line, part]) if line else part
    yield line


def _text(cell: Cell) -> Text:
    return Text(cell) if isinstance(cell, str) else cell


def _longest_word(text: Text) -> int:
    return max(map(cell_len, text.plain.split()), default=0)


def _longest_line(text: Text) -> int:
    return max(map(cell_len, text.plain.splitlines()), default=0)


def _in_one_line(head: str) -> str:
    return " ".join(head.split())
