"""Recording what a codebase defines, imports, calls and depends on, and what of that has changed since."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from zaxy.services.capture.code.coverage import is_report, read_report
from zaxy.services.capture.code.finding import find_code
from zaxy.services.capture.code.languages import LANGUAGES
from zaxy.services.capture.code.manifests import is_manifest, read_manifest
from zaxy.services.capture.code.naming import Surroundings
from zaxy.services.capture.code.pieces import coverage_piece, is_known, manifest_piece, source_pieces
from zaxy.services.capture.document_files import DocumentFile, EmptyDocumentError, read_document, repository_of
from zaxy.services.capture.intake import Report, existing_path, shown_path
from zaxy.services.capture.sink import Progress
from zaxy.services.capture.sources import Piece, Refreshed, SourceLog, refresh, source_name

CODE_SESSION: Final = "codebase"

_MAX_AVERAGE_LINE: Final = 500
"""A file with longer lines was written by a program."""


def index_codebase(path: str | Path, log: SourceLog, progress: Progress | None = None) -> Refreshed:
    """Record the files, symbols, imports, calls, dependencies and test coverage of a folder; as `refresh`.

    What the log holds of a file that has changed or is gone is ended; it stays in the log and is found as of then. A
    folder without any source file ends nothing: it may not be mounted.

    Args:
        path: A folder or one file.
        log: Where it is recorded.
        progress: Told how many files are done, of how many.

    Raises:
        NotFoundError: There is nothing at the path.
        InvalidInputError: The log's session id is not valid.
        MissingDependencyError: The extra ``code`` is not installed.
    """
    root, report = existing_path(path), Report()
    repository = repository_of(root if root.is_dir() else root.parent, report)
    around = Surroundings(repository or Path("/"), repository.name if repository else "")
    files = {file.path: file for file in find_code(root, report)}

    def read(place: Path) -> tuple[Sequence[Piece], int] | None:
        file = files[place]
        if is_report(place.name):
            pieces = [coverage_piece(file, one, around) for one in read_report(place) if one.run or one.missing]
            return pieces, place.stat().st_mtime_ns // 1_000
        text, changed = _read(place)
        if is_known(log.held.of(file.identity), text):
            return None
        if len(text) > _MAX_AVERAGE_LINE * (text.count("\n") + 10):
            report.ignore("minified or generated file")
            return (), changed
        return _pieces(file, text, around), changed

    if not files:
        report.find(shown_path(root), 0, "no source files there; what was indexed before stays")
    gone = log.held.under(source_name(root, repository)) if files else []
    sources = {**dict.fromkeys(gone), **{file.identity: path for path, file in files.items()}}
    return refresh(sources, read, log, actor="codebase", report=report, progress=progress)


def _pieces(file: DocumentFile, text: str, around: Surroundings) -> list[Piece]:
    if is_manifest(file.path.name):
        return [manifest_piece(file, read_manifest(file.path.name, text))]
    return source_pieces(file, text, LANGUAGES[file.path.suffix], around)


def _read(path: Path) -> tuple[str, int]:
    try:
        return read_document(path)
    except EmptyDocumentError:  # an empty module is one all the same
        return "", path.stat().st_mtime_ns // 1_000
