"""Tables for people. What is piped on gets every cell whole; on a terminal some columns give way to its width.

Ours, because click draws none, and importing rich takes about 0.06 s of processor time, half of what `zaxy --help`
takes in all, and brings two more packages.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from zaxy.interfaces.cli.text import Painted, Part, one_line, say, terminal_width

_GAP: Final = "  "
_LEAST_COLUMN: Final = 8
_MARK: Final = "…"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        heading: Its name.
        is_number: Whether its cells stand at the right.
        gives_way: Whether its cells are shortened on a terminal that is too narrow. Never so what people copy, such
            as a citation or a command.
    """

    heading: str
    is_number: bool = False
    gives_way: bool = False


def show_table(columns: Sequence[Column], rows: Iterable[Sequence[Part]], *, indent: str = "") -> None:
    """Print a table with a line of headings, on standard output; nothing where there are no rows.

    Args:
        columns: At least one.
        rows: As many cells each as there are columns; white space in them becomes single blanks.
        indent: Put before each line.
    """
    lines = table_lines(columns, rows, terminal_width(), indent=indent)
    for line in lines if len(lines) > 1 else ():
        say(*line)


def table_lines(
    columns: Sequence[Column], rows: Iterable[Sequence[Part]], width: int | None, *, indent: str = ""
) -> list[list[Part]]:
    """Return the lines of a table, that of the headings first, each as what `say` takes.

    Args:
        columns: As of `show_table`.
        rows: As of `show_table`.
        width: Columns of the terminal, None when there is none.
        indent: Put before each line.
    """
    cells = [[_folded(cell) for cell in row] for row in rows]
    cells.insert(0, [Painted(column.heading, "strong") for column in columns])
    widths = [max(columns_of(_text(row[at])) for row in cells) for at in range(len(columns))]
    if width is not None:
        _narrow(widths, columns, width - len(indent))
    return [_line(row, columns, widths, indent) for row in cells]


def _folded(cell: Part) -> Part:
    return replace(cell, text=one_line(cell.text)) if isinstance(cell, Painted) else one_line(cell)


def _text(cell: Part) -> str:
    return cell.text if isinstance(cell, Painted) else cell


def _narrow(widths: list[int], columns: Sequence[Column], room: int) -> None:
    """Take from the widest column that gives way, until the table has room or none of them can give more."""
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - room
    while over > 0:
        wide = [at for at, column in enumerate(columns) if column.gives_way and widths[at] > _LEAST_COLUMN]
        if not wide:
            return
        widest = max(wide, key=widths.__getitem__)
        widths[widest] -= 1
        over -= 1


def _line(row: Sequence[Part], columns: Sequence[Column], widths: Sequence[int], indent: str) -> list[Part]:
    parts: list[Part] = [indent]
    for at, (cell, column, width) in enumerate(zip(row, columns, widths, strict=True)):
        text = shortened(_text(cell), width)
        padding = " " * (width - columns_of(text))
        is_last = at == len(columns) - 1
        parts.append(padding if column.is_number else "")
        parts.append(replace(cell, text=text) if isinstance(cell, Painted) else text)
        parts.append("" if is_last else _GAP if column.is_number else padding + _GAP)
    return parts


def columns_of(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for a wide character, none for a mark on another one."""
    if text.isascii():
        return len(text)
    return sum(map(_columns_of_character, text))


def _columns_of_character(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shortened(text: str, width: int) -> str:
    """Return a text that takes at most ``width`` columns; one that was cut ends in ``…``."""
    if columns_of(text) <= width:
        return text
    room = width - 1
    end = 0
    while end < len(text) and (room := room - _columns_of_character(text[end])) >= 0:
        end += 1
    return f"{text[:end].rstrip()}{_MARK}"
