"""What was measured, beside what was wanted, as a table and as JSON."""

from __future__ import annotations

import json
import platform
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        key: Short name, the same in every run.
        what: What was measured.
        measured: The figure as people read it, with its unit; why there is none otherwise.
        target: What was wanted, empty where nothing was.
        met: Whether it was reached; None where nothing was wanted or nothing could be measured.
        figures: The same as numbers, for programs.
    """

    key: str
    what: str
    measured: str
    target: str = ""
    met: bool | None = None
    figures: dict[str, float] | None = None


def failed(key: str, what: str, reason: str, target: str = "") -> Row:
    """Return the row of something that could not be measured."""
    return Row(key, what, f"not measured: {' '.join(reason.split())[:90]}", target)


def table(rows: Sequence[Row], other: dict[str, str] | None = None, other_name: str = "") -> str:
    """Return the rows as aligned text.

    Args:
        rows: The lines.
        other: What another program showed, by row key; adds a column.
        other_name: That column's heading.
    """
    lines = [["", "measured", "target", "met"] + ([other_name] if other is not None else [])]
    for row in rows:
        met = "" if row.met is None else ("yes" if row.met else "NO")
        lines.append(
            [row.what, row.measured, row.target, met] + ([other.get(row.key, "")] if other is not None else [])
        )
    return aligned(lines)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose columns are aligned; the first line is its heading."""
    widths = [max(_width(cell) for cell in column) for column in zip(*lines, strict=True)]
    drawn = [
        "| " + " | ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    return "\n".join([drawn[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *drawn[1:]])


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def machine() -> str:
    """Return one line that tells where the figures come from."""
    version = ".".join(map(str, sys.version_info[:3]))
    return f"Python {version}, {platform.system()} {platform.release()}, {platform.machine()}"


def as_json(rows: Sequence[Row], arguments: dict[str, Any], other: dict[str, Any] | None) -> str:
    """Return everything that was measured, for programs."""
    told = {"machine": machine(), "arguments": arguments, "rows": [asdict(row) for row in rows], "original": other}
    return json.dumps(told, indent=2, sort_keys=True, ensure_ascii=False)
