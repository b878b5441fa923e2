"""Writing a memory back out: every record of every session, checked, as JSON lines or as Markdown for people.

Both hold the records as they were sealed, so that an import gives the same events with the same hashes and citations.

A file of JSON lines begins with a line that names the format. The records of a session stand between one line that
names it and one that says how many there are and what the last one's hash is; a last line says how many sessions
there are, so that a file that was cut shows. In Markdown the same lines stand in comments, which people do not see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import Event
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.records import read_record
from zaxy.eventloom.verification import IntegrityReport, verify_log
from zaxy.files.durable import FILE_MODE, replacing
from zaxy.services.capture.sink import Progress
from zaxy.vocabulary.payloads import CIPHER_KEY
from zaxy.vocabulary.reading import SEALED
from zaxy.vocabulary.wording import said

FORMAT: Final = "zaxy-export/1"
FORMATS: Final = ("jsonl", "markdown")
CONTROL: Final = b'{"zaxy":'
"""How a line begins that is no record."""

COMMENT_START: Final = b"<!-- zaxy "
COMMENT_END: Final = b" -->"
CIPHER_MEMBER: Final = f'"{CIPHER_KEY}":'.encode()
"""What a record holds whose payload is sealed."""

_MAX_SHOWN_CHARACTERS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote.

    Attributes:
        path: The file.
        sessions: How many sessions are in it.
        events: How many events.
        sealed: How many of these have a payload that only the loom's own keys open; no key is exported.
        damaged: Sessions of which only the part before the first bad record is in it, and what is wrong with them.
    """

    path: str
    sessions: int
    events: int
    sealed: int
    damaged: tuple[str, ...]


def export_loom(
    loom: Eventloom,
    output: str | Path,
    *,
    layout: str = "jsonl",
    sessions: Sequence[str] = (),
    progress: Progress | None = None,
) -> Exported:
    """Write all records of a loom into one file. On return it is on disk; before, an older one of its name stands.

    Args:
        loom: Where they are.
        output: The file.
        layout: One of `FORMATS`.
        sessions: Only these, all when empty.
        progress: Told how many events are written.

    Raises:
        InvalidInputError: There is no such format or session, or the file would lie inside the loom.
        ZaxyError: The file cannot be written.
    """
    path = Path(output).expanduser().absolute()
    known = loom.sessions()
    unknown = [name for name in sessions if name not in known]
    if layout not in FORMATS or unknown:
        what = f"session {unknown[0]!r}" if unknown else f"format {layout!r}"
        raise InvalidInputError(f"there is no {what}", remedy=f"formats: {', '.join(FORMATS)}; zaxy memory status")
    if path.resolve().is_relative_to(loom.path.resolve()):
        raise InvalidInputError(f"{path} lies inside the loom", remedy="name a file outside of it")
    with replacing(path, mode=FILE_MODE) as write:
        writing = _Writing(write, progress, is_markdown=layout == "markdown")
        writing.begin()
        reports = [writing.session(loom, name) for name in (sessions or known)]
        writing.control({"zaxy": "end", "sessions": len(reports), "events": writing.events})
    damaged = tuple(f"{report.session_id}: {report.broken_reason}" for report in reports if not report.ok)
    return Exported(str(path), len(reports), writing.events, writing.sealed, damaged)


class _Writing:
    """One export on its way into a file.

    Args:
        write: Takes the bytes.
        progress: Told how many events are written.
        is_markdown: Whether people read it.
    """

    def __init__(self, write: Callable[[bytes], None], progress: Progress | None, *, is_markdown: bool) -> None:
        self._write = write
        self._is_markdown = is_markdown
        self._progress = progress
        self._session = ""
        self._seq = 0
        self.events = 0
        self.sealed = 0

    def begin(self) -> None:
        self.control({"zaxy": FORMAT})
        if self._is_markdown:
            self._write(b"\n# Memory\n")

    def session(self, loom: Eventloom, name: str) -> IntegrityReport:
        log = loom.log(name)
        self._session, self._seq = name, 0
        self.control({"zaxy": "session", "session_id": name})
        if self._is_markdown:
            self._write(f"\n## Session {_escaped(name)}\n".encode())
        report = verify_log(log.layout, log.reader, hash_lines=list, take=self._take)
        self.control({"zaxy": "session end", "session_id": name, "events": self._seq, "head": report.head})
        return report

    def control(self, told: dict[str, object]) -> None:
        self._line(orjson.dumps(told))

    def _take(self, lines: list[bytes]) -> None:
        for line in lines:
            self._seq += 1
            self.sealed += CIPHER_MEMBER in line
            if self._is_markdown:
                self._write("".join(_shown(read_record(line).event(self._session, self._seq))).encode())
            self._line(line)
        self.events += len(lines)
        if self._progress is not None:
            self._progress(self.events, None)

    def _line(self, line: bytes) -> None:
        if not self._is_markdown:
            self._write(line + b"\n")
        else:  # a comment ends at the first -->: an escaped bracket is the same JSON
            self._write(b"\n" + COMMENT_START + line.replace(b">", b"\\u003e") + COMMENT_END + b"\n")


def _shown(event: Event) -> Iterator[str]:
    """Yield an event as people read it: a heading and its text as a quotation, in which nothing is markup."""
    yield f"\n### {_escaped(event.occurred_at)} · {_escaped(event.actor)} · {_escaped(event.event_type)}\n\n"
    text = SEALED if CIPHER_KEY in event.payload else said(event)
    for line in text[:_MAX_SHOWN_CHARACTERS].splitlines():
        yield f"> {_escaped(line)}\n"
    yield f"\n{_escaped(event.citation)}\n"


def _escaped(text: str) -> str:
    """Return a text that Markdown shows as it is."""
    safe = text.encode("utf-8", "replace").decode().replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{letter}" if letter in "\\`*_[]#!" else letter for letter in safe if letter.isprintable())
