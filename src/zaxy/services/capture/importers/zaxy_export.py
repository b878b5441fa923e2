"""Our own exports: the records of another loom, taken in as they were sealed."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from zaxy.errors import InvalidInputError, KeyUnavailableError, NotAuthorizedError, UnavailableError, ZaxyError
from zaxy.eventloom.adopting import Adoption
from zaxy.eventloom.event import Draft
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.scan import MAX_LINE_BYTES
from zaxy.services.capture.exporting import CIPHER_MEMBER, COMMENT_END, COMMENT_START, CONTROL, FORMAT
from zaxy.services.capture.intake import Ingested, Report, existing_path, shown_path
from zaxy.services.capture.sink import Progress, Recorded, Sink

_PROGRESS_LINES: Final = 1_000
_MAX_NAMED: Final = 1_000
_ESCAPED: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u003e")
"""A bracket that would have ended its comment."""


def ingest_export(
    path: str | Path, loom: Eventloom, sink: Sink, *, is_trusted: bool = False, progress: Progress | None = None
) -> Ingested:
    """Take in what `export_loom` wrote: the same events with the same numbers, times, hashes and citations.

    A session that the loom has already goes on behind what it holds; a session that holds something else is left as it
    is, and that is a finding. Running it again adds nothing. A loom that was empty becomes the same memory as the
    other. To one that holds events, records are added only when told to: they say themselves who stands behind them,
    and may correct or forget what is there. It is told of the import in a session of its own before the first of them.

    Args:
        path: The file, JSON lines or Markdown.
        loom: Where the records go.
        sink: Takes the note of the import.
        is_trusted: Whether they are added to a loom that holds events.
        progress: Told how many records are done.

    Returns:
        What was recorded, and every session that was not taken or not taken whole. On return all of it is on disk and,
        in a loom that has a key, under a checkpoint.

    Raises:
        NotFoundError: There is no file at ``path``.
        InvalidInputError: It is a folder, or no export.
        NotAuthorizedError: The loom holds events, and ``is_trusted`` is not set.
        ZaxyError: The log cannot be written.
    """
    found, report = existing_path(path), Report()
    if found.is_dir():
        raise InvalidInputError(f"{shown_path(found)!r} is a folder", remedy="name the file that zaxy export wrote")
    report.sources = 1
    permit = _Permit(found, loom, sink, is_trusted=is_trusted)
    taking = _Taking(loom, permit, shown_path(found), report)
    for number, line in _lines(found, report):
        taking.take(number, line)
        if progress is not None and number % _PROGRESS_LINES == 0:
            progress(number, None)
    recorded = taking.finish()
    if recorded.added:
        with contextlib.suppress(KeyUnavailableError):  # a loom without a key has no checkpoints
            loom.checkpoint()
    return report.result(recorded, taking.sessions)


class _Permit:
    """Asked before records are written.

    Args:
        path: The export.
        loom: Where they go.
        sink: Takes the note of the import.
        is_trusted: Whether they are added to a loom that holds events.
    """

    def __init__(self, path: Path, loom: Eventloom, sink: Sink, *, is_trusted: bool) -> None:
        self._path = path
        self._loom = loom
        self._sink = sink
        self._is_trusted = is_trusted
        self._is_given = not any(log.size or not log.inode for log in loom.stats().values())  # or closed segments only

    def __call__(self) -> None:
        """Note the import in a loom that holds events; on return the note is on disk.

        Raises:
            NotAuthorizedError: Nobody said that the export is trusted.
            ZaxyError: The log cannot be written.
        """
        if self._is_given:
            return
        if not self._is_trusted:
            raise NotAuthorizedError(
                "this loom holds events, and an export's records may correct or forget them in anybody's name",
                remedy="take it into a loom of its own (--eventloom-path FOLDER); --trusted if you made it yourself",
            )
        digest, sessions, events = hashlib.sha256(), set(), 0
        for _, line in _lines(self._path, Report(), digest):
            if line.startswith(CONTROL):
                sessions.add(_control_of(line).get("session_id"))
            else:
                events += 1
        named = sorted(name for name in sessions if isinstance(name, str))[:_MAX_NAMED]
        told = {"file": shown_path(self._path), "sha256": digest.hexdigest(), "sessions": named, "events": events}
        note = Draft("memory.imported", "zaxy", told, f"zaxy-export:{digest.hexdigest()}")
        self._sink.record(f"imports-{self._loom.ensure_identity()[:8]}", [note])
        self._is_given = True


def _lines(path: Path, report: Report, digest: Any = None) -> Iterator[tuple[int, bytes]]:
    """Yield the control lines and records of a file, out of their comments where it is Markdown."""
    try:
        with path.open("rb") as stream:
            number = 0
            while raw := stream.readline(MAX_LINE_BYTES * 2):
                number += 1
                if digest is not None:
                    digest.update(raw)
                line = raw.rstrip(b"\r\n")
                if line.startswith(COMMENT_START) and line.endswith(COMMENT_END):
                    line = line[len(COMMENT_START) : -len(COMMENT_END)]
                    yield number, line if line.startswith(CONTROL) else _ESCAPED.sub(rb"\1>", line)
                elif line.startswith(b"{"):
                    yield number, line
    except OSError as error:
        report.find(shown_path(path), 0, f"cannot be read: {error.strerror}")


def _control_of(line: bytes) -> dict[str, Any]:
    """Return what a control line tells, nothing where it is no JSON."""
    try:
        told: dict[str, Any] = orjson.loads(line)  # it begins as an object
    except orjson.JSONDecodeError:
        return {}
    return told


class _Taking:
    """One pass over an export.

    Args:
        loom: Where the records go.
        permit: Asked before any are written.
        origin: How findings name the file.
        report: Takes the findings.
    """

    def __init__(self, loom: Eventloom, permit: _Permit, origin: str, report: Report) -> None:
        self._loom = loom
        self._permit = permit
        self.origin = origin
        self._report = report
        self._session: Adoption | None = None
        self._name = ""
        self._began = self._ended = False
        self._total = Recorded()
        self.sessions: set[str] = set()

    def take(self, number: int, line: bytes) -> None:
        """Take one line."""
        if line.startswith(CONTROL):
            self._control(number, line)
        elif not self._began:
            raise InvalidInputError(
                f"{self.origin} is no export of Zaxy: it does not begin with {FORMAT!r}",
                remedy="write one with: zaxy export --format jsonl --output FILE",
            )
        elif self._session is not None:
            try:
                self._session.add(line)
                if CIPHER_MEMBER in line:
                    self._report.ignore("payload that only the loom it is from opens")
            except (UnavailableError, NotAuthorizedError):
                raise
            except ZaxyError as error:
                self._leave(number, f"session {self._name}: {error.message}")

    def finish(self) -> Recorded:
        """Take what is still waiting, and return what came of all sessions."""
        if not self._began:
            self._report.find(self.origin, 0, f"no export of Zaxy: it does not begin with {FORMAT!r}")
        elif not self._ended:
            self._report.find(self.origin, 0, "the export is cut: its last lines are missing")
        self._close()
        return self._total

    def _control(self, number: int, line: bytes) -> None:
        told = _control_of(line)
        kind, name = told.get("zaxy"), told.get("session_id")
        if kind == FORMAT:
            self._began = True
        elif self._began and kind == "session" and isinstance(name, str):
            self._close()
            self._open(number, name)
        elif self._began and kind == "session end":
            if self._session is not None and told.get("events") != self._session.count:
                self._report.find(self.origin, number, f"session {self._name}: records are missing before this line")
            self._close()
        elif self._began and kind == "end":
            self._ended = True
        elif not told:
            self._report.find(self.origin, number, "a line that is cut or changed")
        else:
            self._report.find(self.origin, number, f"not understood: {str(kind)[:80]!r}")

    def _open(self, number: int, name: str) -> None:
        self._name = name
        try:
            self._session = Adoption(self._loom.log(name), self._permit)
        except InvalidInputError as error:
            self._report.find(self.origin, number, error.message)
        else:
            self.sessions.add(name)

    def _leave(self, number: int, reason: str) -> None:
        """Take what is sound so far, and nothing more of this session."""
        self._report.find(self.origin, number, reason)
        self._close()

    def _close(self) -> None:
        taken, self._session = self._session, None
        if taken is None:
            return
        try:
            taken.finish()
        except InvalidInputError as error:
            self._report.find(self.origin, 0, f"session {self._name}: {error.message}")
        self._total += Recorded(taken.added, taken.known)
