"""What all importers share: findings, counts of what was left alone, and the way into a sink."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zaxy.errors import InvalidInputError, NotALogError, NotFoundError
from zaxy.eventloom.event import Draft
from zaxy.ids import check_session_id
from zaxy.services.capture.sink import Recorded, Sink

MAX_FINDINGS: Final = 200
"""How many findings a result lists; all of them are counted."""

BATCH_DRAFTS: Final = 1_000
"""How many drafts go to the sink in one call."""

_MAX_HELD_DRAFTS: Final = 8_000
_MAX_KINDS: Final = 100
_MAX_REASON_CHARACTERS: Final = 300
_FOREIGN_SESSION_CHARACTERS: Final = 100
_NOT_IN_SESSION_ID: Final = re.compile(r"[^A-Za-z0-9._-]", re.ASCII)

Parsed = tuple[str, Draft]
"""A session id and a draft for its log."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One input that was not taken, or that is odd.

    Attributes:
        path: The file or repository; for a draft that the log refused, the draft's key.
        line: Line from 1, or 0 where the finding is about the whole.
        reason: What is wrong with it.
    """

    path: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an import did.

    Attributes:
        recorded: How many events are new, and how many the log held already.
        sessions: The sessions that the import has events for, ordered.
        sources: How many files (documents, transcripts) or repositories were read.
        findings: Inputs not taken or odd, in the order they were met; at most `MAX_FINDINGS`.
        finding_count: How many findings there were in all.
        ignored: Known bookkeeping and unknown kinds that carry no memory, counted by kind.
    """

    recorded: Recorded
    sessions: tuple[str, ...]
    sources: int
    findings: tuple[Finding, ...]
    finding_count: int
    ignored: Mapping[str, int]


class Report:
    """Collects, during one import, everything that did not become an event."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.finding_count = 0
        self.ignored: Counter[str] = Counter()
        self.sources = 0

    def find(self, path: str, line: int, reason: str) -> None:
        """Note an input that was not taken or that is odd."""
        self.finding_count += 1
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(path, line, reason[:_MAX_REASON_CHARACTERS]))

    def ignore(self, kind: str) -> None:
        """Count something that is left alone on purpose. Kinds beyond the first 100 are counted together."""
        kind = kind[:80]
        self.ignored[kind if kind in self.ignored or len(self.ignored) < _MAX_KINDS else "other kinds"] += 1

    def result(self, recorded: Recorded, sessions: Iterable[str]) -> Ingested:
        """Return the import's result."""
        ignored = dict(sorted(self.ignored.items()))
        found = tuple(self.findings)
        return Ingested(recorded, tuple(sorted(sessions)), self.sources, found, self.finding_count, ignored)


def deliver(parsed: Iterable[Parsed], sink: Sink, report: Report) -> Ingested:
    """Hand drafts to the sink, at most 1,000 a call, each session's in order.

    A draft that the log refuses (too large, not storable as JSON) is a finding and does not hold up the others.

    Args:
        parsed: What a parser yields.
        sink: Where the drafts go.
        report: What the parser fills in; refused drafts are added to it.

    Returns:
        The import's result. On return all of its events are on disk.

    Raises:
        ZaxyError: The log cannot be written. What was recorded so far is known to the next run.
    """
    waiting: dict[str, list[Draft]] = {}
    sessions: set[str] = set()
    held, total = 0, Recorded()
    for session_id, draft in parsed:
        sessions.add(session_id)
        batch = waiting.setdefault(session_id, [])
        batch.append(draft)
        held += 1
        if len(batch) >= BATCH_DRAFTS:
            total += _record(sink, session_id, waiting.pop(session_id), report)
            held -= BATCH_DRAFTS
        elif held >= _MAX_HELD_DRAFTS:
            total = sum((_record(sink, *item, report) for item in waiting.items()), total)
            waiting, held = {}, 0
    total = sum((_record(sink, *item, report) for item in waiting.items()), total)
    return report.result(total, sessions)


def _record(sink: Sink, session_id: str, drafts: Sequence[Draft], report: Report) -> Recorded:
    try:
        return sink.record(session_id, drafts)
    except NotALogError:  # damaged at its beginning: no fault of the draft
        raise
    except InvalidInputError as error:
        if len(drafts) == 1:
            report.find(drafts[0].key or session_id, 0, f"the log refused it: {error.message}")
            return Recorded()
    middle = len(drafts) // 2
    return _record(sink, session_id, drafts[:middle], report) + _record(sink, session_id, drafts[middle:], report)


def safe_session_id(foreign: str) -> str:
    """Return a session id for the name that another program gave: itself where it is valid.

    Otherwise bad characters become ``-``, at most 100 of them are kept, and 8 hexadecimal digits of the SHA-256 of
    the whole name follow, so that the same name gives the same id and two names give two.
    """
    try:
        return check_session_id(foreign)
    except InvalidInputError:
        kept = _NOT_IN_SESSION_ID.sub("-", foreign)[:_FOREIGN_SESSION_CHARACTERS]
        if kept.startswith("."):
            kept = "-" + kept[1:]
        return f"{kept}-{text_digest(foreign)[:8]}"


def text_digest(text: str) -> str:
    """Return the SHA-256 of a text as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def shown_path(path: str | Path) -> str:
    """Return a path as text that can be printed and stored, whatever bytes its name has."""
    return os.fsencode(path).decode("utf-8", "replace")


def existing_path(path: str | Path) -> Path:
    """Return the absolute form of a path that exists, symbolic links resolved.

    Raises:
        NotFoundError: There is nothing at the path.
    """
    if not str(path).strip():
        raise InvalidInputError("the path to take in is empty", remedy="name a file or a folder")
    try:
        return Path(path).expanduser().resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise NotFoundError(
            f"there is nothing to read at {shown_path(path)!r}", remedy="check the path, for example with ls"
        ) from error
