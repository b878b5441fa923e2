"""What the importers of other memories' files share: from a file's elements to events, and the times in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from zaxy.clock import format_time, parse_time
from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import Draft
from zaxy.ids import check_session_id
from zaxy.services.capture.importers.elements import Element, ExportFile, export_files
from zaxy.services.capture.intake import Ingested, Parsed, Report, deliver, text_digest
from zaxy.services.capture.sink import Progress, Sink

Parse = Callable[[Element, Report], Iterable[Parsed]]
"""Turns one element into events; raises ValueError for one that cannot be used."""

_MAX_ID_CHARACTERS: Final = 200
_LAST_EPOCH_SECONDS: Final = 32_503_680_000
"""The year 3000: a larger number is no time in seconds."""


@dataclass(frozen=True, slots=True)
class FileImporter:
    """Records what a file, a folder or a ZIP archive of JSON holds.

    Attributes:
        names: Which files of a folder or archive are taken.
        start: Begins an import: gets the session to record in and what gives all elements, for who has to look ahead.
        session: The session to record in by default; empty where the source's own sessions are kept.
    """

    names: tuple[str, ...]
    start: Callable[[str, Callable[[], Iterator[Element]]], Parse]
    session: str = ""

    def __call__(
        self, path: str | Path, sink: Sink, *, session_id: str = "", progress: Progress | None = None
    ) -> Ingested:
        """Record it. Running it again adds only what is new.

        Args:
            path: Where it is.
            sink: Takes the drafts.
            session_id: The session to record in, where there is one for all.
            progress: Told how many elements were read.

        Returns:
            What was recorded, and everything that was not taken.

        Raises:
            NotFoundError: There is nothing at ``path``.
            InvalidInputError: ``session_id`` is not valid.
        """
        session_id = session_id or self.session
        if session_id:
            check_session_id(session_id)
        report = Report()
        files = export_files(path, self.names, report)
        parse = self.start(session_id, lambda: (one for file in files for one in file.elements(Report())))
        return deliver(_parsed(files, parse, report, progress), sink, report)


def _parsed(files: Iterable[ExportFile], parse: Parse, report: Report, progress: Progress | None) -> Iterator[Parsed]:
    for file in files:
        report.sources += 1
        is_empty = True
        for element in file.elements(report, progress):
            is_empty = False
            try:
                yield from parse(element, report)
            except ValueError as error:
                report.find(file.origin, element.number, str(error))
        if is_empty and not any(finding.path == file.origin for finding in report.findings):
            report.find(file.origin, 0, "there is nothing in it that can be taken")


def text_of(record: Mapping[str, Any], *names: str) -> str:
    """Return the first of these members that is a text with something in it, else an empty text."""
    return next((value for name in names if isinstance(value := record.get(name), str) and value.strip()), "")


def required(record: Mapping[str, Any], *names: str) -> str:
    """As `text_of`.

    Raises:
        ValueError: There is none.
    """
    found = text_of(record, *names)
    if not found:
        raise ValueError(f"it has no {' or '.join(names)}")
    return found


def identity_of(record: Mapping[str, Any], *names: str) -> str:
    """Return the id that a record has: a text or whole number, a long one as its digest; empty where it has none."""
    for name in names:
        value = record.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            told = str(value)
            return told if len(told) <= _MAX_ID_CHARACTERS else f"id-{text_digest(told)}"
    return ""


def time_of(record: Mapping[str, Any], *names: str) -> str:
    """Return the first time among these members, RFC 3339: a text in that form, or seconds since 1970 UTC.

    A text without an offset, or with a blank in place of the T, is read as UTC, as these programs write it. Empty
    where there is none.
    """
    for name in names:
        value = record.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _LAST_EPOCH_SECONDS:
            return format_time(round(value * 1_000_000))
        if isinstance(value, str):
            text = value.strip().replace(" ", "T", 1)
            for told in (value, text, f"{text}Z", f"{text}T00:00:00Z"):
                try:
                    parse_time(told)
                except InvalidInputError:
                    continue
                return told
    return ""


def objects_of(record: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects in a member that is a list; nothing where it is none."""
    values = record.get(name)
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def kept(**members: Any) -> dict[str, Any]:
    """Return the members that hold something."""
    return {name: value for name, value in members.items() if value}


def turn(speaker: str, content: str, time: str, key: str, **more: Any) -> Draft:
    """Return what somebody said as an event.

    Args:
        speaker: Who.
        content: What.
        time: When, RFC 3339; empty where that is not known.
        key: The idempotency key.
        **more: Further payload members; empty ones are left out.
    """
    payload = {"speaker": speaker, "content": content, **kept(occurred_at=time, **more)}
    return Draft("transcript.turn", speaker, payload, key)


def opening(importer: str, identity: str, title: str, time: str) -> Draft:
    """Return that a conversation began, which holds its title."""
    return Draft("session.started", importer, kept(title=title, occurred_at=time), f"{importer}:{identity}:started")


def observed(importer: str, identity: str, name: str, kind: str, content: str, *, time: str = "") -> Draft:
    """Return what was observed of a thing of some kind; the same words under the same identity are one event."""
    payload = kept(name=name, entity_type=kind, content=content, occurred_at=time)
    return Draft("entity.observed", importer, payload, f"{importer}:{identity}:{text_digest(content)[:16]}")


def related(importer: str, source: str, relation: str, target: str, **more: Any) -> Draft:
    """Return that one thing is related to another; stated again in the same words, that is one event."""
    key = f"{importer}:{text_digest(chr(0).join((source, relation, target)))[:32]}"
    return Draft("relation.stated", importer, kept(source=source, relation=relation, target=target, **more), key)
