"""Documents and source code: one event a chunk, with the lines that it stands on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from zaxy.clock import format_time
from zaxy.eventloom.event import Draft
from zaxy.ids import check_session_id
from zaxy.services.capture.chunks import Kind, cut
from zaxy.services.capture.document_files import DocumentFile, EmptyDocumentError, find_documents, read_document
from zaxy.services.capture.intake import Ingested, Parsed, Report, deliver, shown_path, text_digest
from zaxy.services.capture.sink import Progress, Sink

DOCUMENTS_SESSION: Final = "documents"
_ACTOR: Final = "documents"


def ingest_documents(
    paths: Sequence[str | Path], sink: Sink, *, session_id: str = DOCUMENTS_SESSION, progress: Progress | None = None
) -> Ingested:
    """Record text files, chunk by chunk. Running it again adds only the chunks that are new or have changed.

    Args:
        paths: Files and folders. What of a folder is taken: see `find_documents`. Any file that is UTF-8 without
            NUL and under 1 MiB is text.
        sink: Takes the drafts.
        session_id: The log.
        progress: Told how many files are done, of how many.

    Returns:
        What was recorded, and every file that was not taken.

    Raises:
        NotFoundError: One of the paths does not exist; nothing was recorded.
        InvalidInputError: ``session_id`` is not valid.
    """
    check_session_id(session_id)
    report = Report()
    files = find_documents(paths, report)
    if not files:
        report.find(", ".join(shown_path(path) for path in paths), 0, "no documents there")
    return deliver(_parse_files(files, session_id, report, progress), sink, report)


def _parse_files(
    files: list[DocumentFile], session_id: str, report: Report, progress: Progress | None
) -> Iterator[Parsed]:
    for done, file in enumerate(files, start=1):
        try:
            text, changed = read_document(file.path)
        except EmptyDocumentError as error:
            if len(files) > 1:  # a package has many of them, and they would crowd out what matters
                report.ignore("empty file")
            else:
                report.find(shown_path(file.path), 0, str(error))
        except OSError as error:
            report.find(shown_path(file.path), 0, f"cannot be read: {error.strerror}")
        except ValueError as error:
            report.find(shown_path(file.path), 0, str(error))
        else:
            report.sources += 1
            yield from parse_document(file, text, changed, session_id)
        if progress is not None:
            progress(done, len(files))


def parse_document(file: DocumentFile, text: str, changed: int, session_id: str) -> Iterator[Parsed]:
    """Yield one ``document.indexed`` a chunk.

    ``occurred_at`` is when the file was last changed: that a text was so is known from that time on. The key does not
    depend on it, so that a fresh checkout of the same text adds nothing.

    Args:
        file: Which document.
        text: Its text.
        changed: When it was last changed, microseconds since 1970 UTC.
        session_id: The log.
    """
    title, chunks = cut(text, Kind.of(file.path.suffix))
    for number, chunk in enumerate(chunks, start=1):
        digest = text_digest(chunk.content)
        payload: dict[str, Any] = {
            "path": file.name,
            "title": title or file.name.rsplit("/", 1)[-1],
            "section": chunk.section,
            "chunk": number,
            "line_from": chunk.line_from,
            "line_to": chunk.line_to,
            "content": chunk.content,
            "sha256": digest,
            "occurred_at": format_time(changed),
        }
        if file.repository:
            payload["repository"] = file.repository
        yield session_id, Draft("document.indexed", _ACTOR, payload, f"document:{file.identity}:{number}:{digest[:16]}")
