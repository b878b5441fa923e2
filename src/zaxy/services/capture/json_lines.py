"""Reading files of one JSON object a line that other programs wrote, some of them still writing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from zaxy.services.capture.intake import Report, shown_path

MAX_LINE_BYTES: Final = 16 * 1024 * 1024

Lines = Iterator[tuple[int, bytes]]
"""Line numbers from 1, and the bytes of those lines without white space at the ends."""


def read_lines(path: Path, report: Report) -> Lines:
    """Yield the lines of a file that are not blank. A line over 16 MiB, or a file that cannot be read, is a finding.

    Args:
        path: The file.
        report: Takes the findings.
    """
    shown, number = shown_path(path), 0
    try:
        with path.open("rb") as stream:
            while line := stream.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > MAX_LINE_BYTES:
                    _skip_line(stream, line)
                    report.find(shown, number, f"line is longer than {MAX_LINE_BYTES} bytes")
                elif stripped := line.strip():
                    yield number, stripped
    except OSError as error:
        report.find(shown, number, f"cannot be read: {error.strerror}")
    if number == 0:
        report.find(shown, 0, "nothing was read: the file is empty or cannot be read")


def _skip_line(stream: BinaryIO, line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = stream.readline(MAX_LINE_BYTES)


def decode_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object that a line holds.

    Raises:
        ValueError: The line is not JSON (bad UTF-8, NaN and lone surrogates included), or not an object.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value
