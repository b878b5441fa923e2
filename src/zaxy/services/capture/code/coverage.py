"""Which lines tests run, as coverage reports say: Cobertura XML, LCOV and coverage.py's JSON."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import orjson

MAX_REPORT_BYTES: Final = 64 * 1024 * 1024

REPORT_NAMES: Final = ("coverage.xml", "coverage.json", "lcov.info")
"""How coverage reports are called."""

REPORT_FOLDERS: Final = ("", "coverage")
"""Where in a codebase they are looked for; most repositories have git ignore them."""

_MAX_RANGES: Final = 100


@dataclass(frozen=True, slots=True)
class Covered:
    """How much of one file tests run.

    Attributes:
        path: The file, as the report names it.
        run: How many of its lines were run.
        missing: The lines that could have been and were not, ascending.
    """

    path: str
    run: int
    missing: tuple[int, ...]

    @property
    def percent(self) -> float:
        """Share of the lines that were run, 0 to 100; 100 where there is nothing to run."""
        total = self.run + len(self.missing)
        return round(100 * self.run / total, 1) if total else 100.0


def is_report(name: str) -> bool:
    """Return whether a file of that name is a coverage report."""
    return name in REPORT_NAMES


def read_report(path: Path) -> Iterator[Covered]:
    """Yield what a coverage report says of each file.

    Args:
        path: The report; its name tells the format.

    Raises:
        ValueError: It is not in its format, or has more than 64 MiB.
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        raw = stream.read(MAX_REPORT_BYTES + 1)
    if len(raw) > MAX_REPORT_BYTES:
        raise ValueError(f"has more than {MAX_REPORT_BYTES} bytes")
    try:
        if path.suffix == ".xml":
            yield from _cobertura(raw)
        elif path.suffix == ".info":
            yield from _lcov(raw.decode("utf-8"))
        else:
            yield from _coverage_py(orjson.loads(raw)["files"])
    except (ElementTree.ParseError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a coverage report of its kind: {error}") from error


def ranges(lines: tuple[int, ...]) -> str:
    """Return line numbers as text, neighbours joined: ``3-5, 9``. At most 100 ranges, with ``…`` after them."""
    if not lines:
        return ""
    breaks = [place for place, (one, other) in enumerate(pairwise(lines), start=1) if other != one + 1]
    spans = list(zip([0, *breaks], [*breaks, len(lines)], strict=True))
    told = [str(lines[start]) if end - start == 1 else f"{lines[start]}-{lines[end - 1]}" for start, end in spans]
    return ", ".join(told[:_MAX_RANGES]) + (", …" if len(told) > _MAX_RANGES else "")


def _covered(path: str, hits: Mapping[int, int]) -> Covered:
    missing = tuple(sorted(line for line, count in hits.items() if not count))
    return Covered(path, len(hits) - len(missing), missing)


def _cobertura(raw: bytes) -> Iterator[Covered]:
    files: dict[str, dict[int, int]] = {}
    sources: list[str] = []
    for _, element in ElementTree.iterparse(io.BytesIO(raw)):  # noqa: S314 - expat bounds entities
        if element.tag == "source" and element.text:
            sources.append(element.text.strip())
        elif element.tag == "class":
            hits = files.setdefault(element.attrib["filename"], {})
            for line in element.iterfind("lines/line"):
                number = int(line.attrib["number"])
                hits[number] = max(hits.get(number, 0), int(line.attrib["hits"]))
            element.clear()
    folder = f"{sources[0].rstrip('/')}/" if len(sources) == 1 and sources[0] not in ("", ".") else ""
    for name, hits in files.items():
        yield _covered(name if name.startswith("/") else f"{folder}{name}", hits)


def _lcov(text: str) -> Iterator[Covered]:
    name = ""
    hits: dict[int, int] = {}
    for line in text.splitlines():
        word, colon, told = line.partition(":")
        if not colon and line.strip() not in ("", "end_of_record"):
            raise ValueError("not a coverage report of its kind: a line without a colon")
        if word == "SF":
            name, hits = told.strip(), {}
        elif word == "DA":
            number, count = told.split(",")[:2]
            hits[int(number)] = hits.get(int(number), 0) + max(0, int(count))
        elif line.strip() == "end_of_record" and name:
            yield _covered(name, hits)
            name = ""


def _coverage_py(files: Mapping[str, Any]) -> Iterator[Covered]:
    for name, told in files.items():
        yield Covered(name, len(told["executed_lines"]), tuple(sorted(told["missing_lines"])))
