"""The house style of the whole repository: which rule holds where, and what is too long.

``python tests/style/house_style.py`` prints what is longer than we like and every finding; it fails if there is one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from house_rules import (
    Finding,
    Source,
    docstrings,
    durable_io,
    environment,
    foreign_words,
    positional_parameters,
    printing,
    promised_methods,
    reasons,
)

ROOT: Final = Path(__file__).resolve().parents[2]

LONG_MODULES: Final[Mapping[str, int]] = {}
"""Modules over the limit, and how long each may be. The list only shrinks: nothing is added, no number is raised."""

LONG_FUNCTIONS: Final[Mapping[str, int]] = {}
"""The same for functions, named ``path:Class.function``."""

WRITES_ELSEWHERE: Final[Mapping[str, str]] = {}
"""Files outside ``zaxy.files`` that write to disk, and why each has to."""

_PRODUCT: Final = ("src", "benchmarks")
_CODE: Final = (*_PRODUCT, "tests", "scripts")
_PROSE: Final = ("docs", ".ci", ".github")
_TEXT_SUFFIXES: Final = frozenset({"", ".cfg", ".ini", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml"})


@dataclass(frozen=True, slots=True)
class Limit:
    """How long something should be, and how long it may be, in lines."""

    what: str
    wanted: int
    allowed: int


MODULE_LIMIT: Final = Limit("module", 300, 400)
FUNCTION_LIMIT: Final = Limit("function", 50, 70)


def python_files(root: Path, folders: Iterable[str]) -> list[Source]:
    """Return the Python files under these folders, ordered by path."""
    return [
        Source(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
        for folder in folders
        for path in sorted((root / folder).rglob("*.py"))
    ]


def text_files(root: Path) -> Iterator[tuple[str, str]]:
    """Yield path and text of every file that a reader of the repository reads."""
    beside = (path for path in root.iterdir() if path.is_file())
    below = (path for folder in (*_CODE, *_PROSE) for path in (root / folder).rglob("*") if path.is_file())
    for path in sorted([*beside, *below]):
        if path.suffix in _TEXT_SUFFIXES and "__pycache__" not in path.parts:
            try:
                yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
            except UnicodeDecodeError:  # a fixture that is bad on purpose
                continue


def module_lengths(sources: Iterable[Source]) -> dict[str, int]:
    """Return how many lines each module has."""
    return {source.path: source.lines for source in sources}


def function_lengths(sources: Iterable[Source]) -> dict[str, int]:
    """Return how many lines each function has, from its ``def`` to its last line, by ``path:Class.function``."""
    return {
        f"{source.path}:{name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for source in sources
        for name, node in source.functions()
    }


def long_ones(lengths: Mapping[str, int], limit: Limit) -> list[str]:
    """Return what is longer than wanted, the longest first, for people to read."""
    ordered = sorted(lengths.items(), key=lambda entry: (-entry[1], entry[0]))
    return [f"{limit.what} of {lines} lines: {name}" for name, lines in ordered if lines > limit.wanted]


def too_long(lengths: Mapping[str, int], limit: Limit, excused: Mapping[str, int]) -> list[Finding]:
    """Find what is longer than allowed, and excuses that are no longer needed.

    Args:
        lengths: Lines by name.
        limit: What is allowed.
        excused: What is known to be longer, and how long it may be.
    """
    rule = f"long-{limit.what}"
    found = [
        Finding(name, 1, rule, f"{lines} lines, {max(limit.allowed, excused.get(name, 0))} at most")
        for name, lines in lengths.items()
        if lines > max(limit.allowed, excused.get(name, 0))
    ]
    needless = [name for name in excused if lengths.get(name, 0) <= limit.allowed]
    return found + [Finding(name, 1, rule, "is not over the limit any more: take it off the list") for name in needless]


def unexcused(found: Iterable[Finding], excused: Mapping[str, str]) -> list[Finding]:
    """Return the findings in files without an excuse, and a finding for each excuse that nothing needs."""
    findings = list(found)
    needless = sorted(excused.keys() - {finding.path for finding in findings})
    return [finding for finding in findings if finding.path not in excused] + [
        Finding(path, 1, "excuse", "needs no excuse any more: take it off the list") for path in needless
    ]


def findings(root: Path) -> list[Finding]:
    """Return everything in the repository that breaks a rule, ordered by place."""
    source_files = python_files(root, ["src"])
    product = python_files(root, _PRODUCT)
    promised = frozenset[str]().union(*(promised_methods(source) for source in source_files))
    writes = [finding for source in source_files for finding in durable_io(source)]
    found = too_long(module_lengths(product), MODULE_LIMIT, LONG_MODULES)
    found += too_long(function_lengths(product), FUNCTION_LIMIT, LONG_FUNCTIONS)
    found += unexcused(writes, WRITES_ELSEWHERE)
    for source in source_files:
        found += [*docstrings(source, promised), *printing(source), *environment(source)]
    for source in product:
        found += positional_parameters(source)
    for source in python_files(root, _CODE):
        found += reasons(source)
    for path, text in text_files(root):
        found += foreign_words(path, text)
    return sorted(found)


def report(root: Path) -> list[str]:
    """Return what is longer than wanted, modules first."""
    product = python_files(root, _PRODUCT)
    return long_ones(module_lengths(product), MODULE_LIMIT) + long_ones(function_lengths(product), FUNCTION_LIMIT)


def main() -> int:
    """Print the report and the findings; return 1 if there is a finding."""
    found = findings(ROOT)
    print(*report(ROOT), *found, f"house style: {len(found)} findings", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
