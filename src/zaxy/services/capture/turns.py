"""Conversations as JSON lines: one turn a line, with speaker, text, time and session under their usual names."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from zaxy.clock import parse_time
from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import Draft
from zaxy.ids import check_session_id
from zaxy.services.capture.intake import (
    Ingested,
    Parsed,
    Report,
    deliver,
    existing_path,
    safe_session_id,
    shown_path,
    text_digest,
)
from zaxy.services.capture.json_lines import decode_object, read_lines
from zaxy.services.capture.sink import Progress, Sink

SPEAKER_NAMES: Final = ("speaker", "role", "author", "name")
TEXT_NAMES: Final = ("text", "content", "message")
TIME_NAMES: Final = ("time", "timestamp", "occurred_at", "date")
SESSION_NAMES: Final = ("session", "session_id", "conversation")
_MAX_SPEAKER_CHARACTERS: Final = 200
_MAX_ID_CHARACTERS: Final = 200
_PROGRESS_LINES: Final = 1_000


def ingest_turns(
    path: str | Path, sink: Sink, *, session_id: str = "default", progress: Progress | None = None
) -> Ingested:
    """Record the turns of a JSON lines file. Running it again adds only what is new.

    Args:
        path: The file.
        sink: Takes the drafts.
        session_id: Session for lines that name none.
        progress: Told every 1,000 turns how many are done.

    Returns:
        What was recorded, and every line that was not taken.

    Raises:
        NotFoundError: There is no file at ``path``.
        InvalidInputError: ``path`` is a folder, or ``session_id`` is not valid.
    """
    found, report = existing_path(path), Report()
    check_session_id(session_id)
    if found.is_dir():
        raise InvalidInputError(
            f"{shown_path(found)!r} is a folder", remedy="name one JSON lines file, or use zaxy ingest documents"
        )
    report.sources = 1
    parsed = parse_turns(read_lines(found, report), shown_path(found), session_id, report)
    return deliver(_told(parsed, progress), sink, report)


def _told(parsed: Iterator[Parsed], progress: Progress | None) -> Iterator[Parsed]:
    done = 0
    for done, turn in enumerate(parsed, start=1):
        yield turn
        if progress is not None and done % _PROGRESS_LINES == 0:
            progress(done, None)
    if progress is not None:
        progress(done, done)


def parse_turns(
    lines: Iterable[tuple[int, bytes]], origin: str, default_session: str, report: Report
) -> Iterator[Parsed]:
    """Yield one ``transcript.turn`` a line.

    The first member that is there counts: ``speaker|role|author|name``, ``text|content|message``,
    ``time|timestamp|occurred_at|date`` (may be missing), ``session|session_id|conversation`` (may be missing),
    ``id`` (may be missing). Other members are left out and counted by name.

    A turn without ``id`` is known by a digest of its line and by how often the line was there before, so that a file
    may say "ok" twice. Never raises on any content: a line that cannot be used is a finding.

    Args:
        lines: Line numbers and JSON lines.
        origin: How findings name the file.
        default_session: Session for lines that name none.
        report: Takes findings and counts.
    """
    met: Counter[tuple[str, str]] = Counter()
    for number, raw in lines:
        try:
            turn = _Turn.of(decode_object(raw), default_session)
        except InvalidInputError as error:
            report.find(origin, number, error.message)
            continue
        except ValueError as error:
            report.find(origin, number, str(error))
            continue
        given_id = turn.given_id
        if not given_id:
            digest = hashlib.sha256(raw).hexdigest()[:32]
            met[turn.session_id, digest] += 1
            given_id = f"line-{digest}-{met[turn.session_id, digest]}"
        for name in turn.left_out:
            report.ignore(f"member {name}")
        payload = {"speaker": turn.speaker, "content": turn.content}
        if turn.time:
            payload["occurred_at"] = turn.time
        key = f"turns:{turn.session_id}:{given_id}"
        yield turn.session_id, Draft("transcript.turn", turn.speaker, payload, key)


@dataclass(frozen=True, slots=True)
class _Turn:
    """One line, checked. An empty ``time`` or ``given_id`` means that the line has none."""

    session_id: str
    speaker: str
    content: str
    time: str
    given_id: str
    left_out: tuple[str, ...]

    @classmethod
    def of(cls, record: dict[str, Any], default_session: str) -> _Turn:
        used = {"id"}
        speaker = _required(record, SPEAKER_NAMES, used).strip()
        if len(speaker) > _MAX_SPEAKER_CHARACTERS:
            raise ValueError(f"the speaker's name is longer than {_MAX_SPEAKER_CHARACTERS} characters")
        content = _required(record, TEXT_NAMES, used)
        name, time = _first(record, TIME_NAMES, used)
        if time is not None:
            parse_time(time, what=name)
        name, session = _first(record, SESSION_NAMES, used)
        if session is not None and not isinstance(session, str | int):
            raise ValueError(f"{name} is not a text")
        return cls(
            session_id=default_session if session is None else safe_session_id(str(session)),
            speaker=speaker,
            content=content,
            time="" if time is None else str(time),
            given_id=_given_id(record.get("id")),
            left_out=tuple(sorted(record.keys() - used)),
        )


def _first(record: dict[str, Any], names: tuple[str, ...], used: set[str]) -> tuple[str, object]:
    """Return the first of these members that is there and not null, as name and value, and note that it was used."""
    for name in names:
        if (value := record.get(name)) is not None:
            used.add(name)
            return name, value
    return names[0], None


def _required(record: dict[str, Any], names: tuple[str, ...], used: set[str]) -> str:
    name, value = _first(record, names, used)
    if value is None:
        raise ValueError(f"the line has none of {', '.join(names)}")
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} is not a text, or empty")
    return value


def _given_id(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("id is neither a text nor a whole number")
    text = str(value)
    return text if len(text) <= _MAX_ID_CHARACTERS else f"id-{text_digest(text)}"
