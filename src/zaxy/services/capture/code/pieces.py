"""What is recorded of one file of a codebase, piece by piece."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from zaxy.services.capture.code.coverage import Covered, ranges
from zaxy.services.capture.code.languages import Language
from zaxy.services.capture.code.manifests import Dependency
from zaxy.services.capture.code.naming import Names, Surroundings
from zaxy.services.capture.code.syntax import Symbol, parse_source
from zaxy.services.capture.document_files import DocumentFile
from zaxy.services.capture.intake import text_digest
from zaxy.services.capture.sources import Naming, Piece

FILE_TYPE: Final = "code.file.indexed"
SYMBOL_TYPE: Final = "code.symbol.indexed"
DEPENDENCIES_TYPE: Final = "code.dependencies.indexed"
COVERAGE_TYPE: Final = "code.coverage.indexed"

NAMING: Final[Mapping[str, Naming]] = {
    FILE_TYPE: Naming("path", "index"),
    SYMBOL_TYPE: Naming("path", "symbol"),
    DEPENDENCIES_TYPE: Naming("path", "manifest"),
    COVERAGE_TYPE: Naming("report", "path"),
}

INDEX: Final = 1
"""How files are read: with another number, unchanged files are read again too."""

_MAX_LISTED: Final = 100


def is_known(held: Sequence[tuple[str, str, str]], text: str) -> bool:
    """Return whether the log knows a source file as it is: that text and no other, and all that was found in it.

    Args:
        held: What the log says of the file.
        text: What it holds.
    """
    return [place[1:] for place in held if place[0] == FILE_TYPE] == [(str(INDEX), text_digest(text))]


def source_pieces(file: DocumentFile, text: str, language: Language, around: Surroundings) -> list[Piece]:
    """Return what a source file defines, symbol by symbol, and what it is itself.

    The file comes last: where the log holds that, it holds all of them.

    Args:
        file: Which file.
        text: What it holds.
        language: Its language.
        around: Its codebase.

    Raises:
        MissingDependencyError: The extra ``code`` is not installed.
    """
    parsed = parse_source(text, language)
    names = Names(file.name, language, parsed, around)
    pieces = [_symbol(file, language, one, names) for one in parsed.symbols]
    about = {
        "language": language.name,
        "module": names.module,
        "lines": text.count("\n") + (not text.endswith("\n") and bool(text)),
        "symbols": [one.name for one in parsed.symbols][:_MAX_LISTED],
        "imports": list(dict.fromkeys(filter(None, map(names.imported, parsed.imports))))[:_MAX_LISTED],
        **_calls(parsed.calls, "", names),
        "index": INDEX,
    }
    if parsed.has_errors:
        about["syntax_errors"] = True
    return [*pieces, _piece(FILE_TYPE, file, about, text_digest(text))]


def manifest_piece(file: DocumentFile, found: Sequence[Dependency]) -> Piece:
    """Return what a manifest asks for.

    Args:
        file: The manifest.
        found: Its dependencies.
    """
    about = {
        "manifest": file.path.name,
        "packages": list(dict.fromkeys(one.name for one in found))[:_MAX_LISTED],
        "dependencies": [str(one) for one in found],
    }
    return _piece(DEPENDENCIES_TYPE, file, about)


def coverage_piece(file: DocumentFile, covered: Covered, around: Surroundings) -> Piece:
    """Return what a coverage report says of one file.

    Args:
        file: The report.
        covered: What it says.
        around: Its codebase.
    """
    about = {
        "report": file.name,
        "path": _covered_path(file, covered.path, around.top),
        "percent": covered.percent,
        "lines_run": covered.run,
        "lines_missed": len(covered.missing),
        "missing": ranges(covered.missing),
    }
    return _piece(COVERAGE_TYPE, file, about)


def _symbol(file: DocumentFile, language: Language, one: Symbol, names: Names) -> Piece:
    about = {
        "symbol": one.name,
        "kind": one.kind,
        "language": language.name,
        "qualified_name": names.symbol(one.name),
        "signature": one.signature,
        "doc": one.doc,
        "line_from": one.line_from,
        "line_to": one.line_to,
        **_calls(one.calls, one.name, names),
    }
    return _piece(SYMBOL_TYPE, file, {name: value for name, value in about.items() if value not in ("", [])})


def _calls(calls: Sequence[str], within: str, names: Names) -> dict[str, list[str]]:
    """Return calls by what they are called beyond the file, and those of which the file alone does not tell that."""
    told = {name: names.called(name, within) for name in calls}
    known = list(dict.fromkeys(name for name in told.values() if name))[:_MAX_LISTED]
    other = [name for name, found in told.items() if not found][:_MAX_LISTED]
    return {**({"calls": known} if known else {}), **({"calls_unresolved": other} if other else {})}


def _piece(event_type: str, file: DocumentFile, about: Mapping[str, Any], digest: str = "") -> Piece:
    naming = NAMING[event_type]
    payload = {naming.source: file.name, **about}
    if file.repository:
        payload["repository"] = file.repository
    if digest:
        payload["sha256"] = digest
    else:
        digest = hashlib.sha256(orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
        payload["digest"] = digest
    name = str(payload[naming.piece])
    return Piece(event_type, name, digest, payload, f"code:{event_type}:{file.identity}:{name}:{digest[:16]}")


def _covered_path(file: DocumentFile, told: str, top: Path) -> str:
    """Return a covered file's path within the codebase: as seen from there, from the report or from above that."""
    for folder in (top, file.path.parent, file.path.parent.parent):
        path = Path(os.path.normpath(folder / told))
        if path.is_relative_to(top) and path.is_file():
            return path.relative_to(top).as_posix()
    return told
