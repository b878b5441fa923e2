"""Bringing what a log holds of documents up to what the files are now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from zaxy.services.capture.document_files import EmptyDocumentError, named, read_document, repository_of
from zaxy.services.capture.documents import parse_document
from zaxy.services.capture.intake import Report, existing_path
from zaxy.services.capture.sink import Progress
from zaxy.services.capture.sources import Naming, Piece, Refreshed, SourceLog, refresh, source_name

DOCUMENT_NAMING: Final[Mapping[str, Naming]] = {"document.indexed": Naming("path", "chunk")}


def refresh_documents(folder: str | Path, log: SourceLog, progress: Progress | None = None) -> Refreshed:
    """Read the documents of a folder again that a log holds passages of; as `refresh`.

    Passages that are not so any more are ended, new ones recorded; what was so stays in the log and is found as of
    then. What was never taken in is not taken in here.

    Args:
        folder: Where they are.
        log: Where it is recorded.
        progress: Told how many documents are done, of how many.

    Raises:
        NotFoundError: There is no such folder.
    """
    root, report = existing_path(folder), Report()
    repository = repository_of(root if root.is_dir() else root.parent, report)

    def read(path: Path) -> tuple[Sequence[Piece], int]:
        if not path.resolve().is_relative_to(root):  # a log may say anything, and links lead anywhere
            raise ValueError("leads out of the folder")
        try:
            text, changed = read_document(path)
        except EmptyDocumentError:
            return (), log.now
        drafts = [draft for _, draft in parse_document(named(path, repository), text, changed, log.session_id)]
        return [
            Piece(one.event_type, str(one.payload["chunk"]), one.payload["sha256"], one.payload, one.key or "")
            for one in drafts
        ], changed

    held = log.held.under(source_name(root, repository))
    paths = {name: (repository.parent if repository else Path("/")) / name for name in held}
    return refresh(paths, read, log, actor="documents", report=report, progress=progress)
