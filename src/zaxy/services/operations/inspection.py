"""Looking at a loom: its sessions and how good they are, what was recorded last, what was added between two points."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from zaxy.errors import IntegrityError, InvalidInputError, NotALogError, NotFoundError, ZaxyError
from zaxy.eventloom.event import Event
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.verification import IntegrityReport
from zaxy.ids import check_session_id

_MOST_RECENT_LOGS: Final = 1_000
_SUMMARY_CHARACTERS: Final = 160
_SUMMARY_MEMBERS: Final = ("title", "summary", "content", "text", "message", "command", "path", "name")
_VALUE_OF: Final = ("key", "subject", "attribute")

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """One session's log.

    Attributes:
        session_id: Its id.
        path: Its active file.
        event_count: How many good events it holds.
        integrity_ok: Whether every record and the chain are sound.
        integrity_reason: What is wrong, None when nothing is.
        broken_at_seq: The first bad event, None when there is none.
        verified: Whether the whole chain was checked now; False when only the end of the log was.
        latest_seq: Number of the last good event.
        latest_hash: Its digest.
        latest_type: Its type.
        latest_actor: Its actor.
        latest_timestamp: When it was recorded.
        notes: What else was found, such as an unfinished write at the end.
    """

    session_id: str
    path: str
    event_count: int
    integrity_ok: bool
    integrity_reason: str | None
    broken_at_seq: int | None
    verified: bool
    latest_seq: int
    latest_hash: str
    latest_type: str
    latest_actor: str
    latest_timestamp: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SkippedLog:
    """A file among the logs that is not one."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class LoomStatus:
    """The sessions of a loom, or those of them that were asked for."""

    eventloom_path: str
    loom_id: str | None
    session_count: int
    total_events: int
    sessions: tuple[SessionStatus, ...]
    skipped_logs: tuple[SkippedLog, ...]

    @property
    def ok(self) -> bool:
        """Whether every log is sound."""
        return all(session.integrity_ok for session in self.sessions)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One event in a listing."""

    session_id: str
    seq: int
    hash: str
    timestamp: str
    type: str
    actor: str
    summary: str
    citation: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What was added to a session between two sequence numbers, both included."""

    session_id: str
    from_seq: int
    to_seq: int
    added: tuple[LogEntry, ...]


class InspectionService:
    """Reads a loom without changing it.

    Args:
        loom: What to look at.
        view: Gives an event as it is meant, for its summary; None takes it as the log holds it.
    """

    def __init__(self, loom: Eventloom, view: Callable[[Event], Event] | None = None) -> None:
        self._loom = loom
        self._view = view

    def _require(self) -> None:
        if not self._loom.path.is_dir():
            raise NotFoundError(f"there is no loom at {self._loom.path}", remedy="make one: zaxy init")

    def status(
        self,
        *,
        verify: bool = True,
        progress: Progress | None = None,
        sessions: Collection[str] | None = None,
    ) -> LoomStatus:
        """Return the state of every session, or of some. No log of another one is read.

        Args:
            verify: Whether to check whole chains; else only the end of each log is read.
            progress: Told how many sessions are done.
            sessions: Which are looked at, None for all; one without a log is left out.

        Raises:
            NotFoundError: There is no such loom.
        """
        self._require()
        found: list[SessionStatus] = []
        skipped: list[SkippedLog] = []
        names = [name for name in self._loom.sessions() if sessions is None or name in sessions]
        for done, session_id in enumerate(names, 1):
            try:
                found.append(self._session(session_id, verify=verify))
            except NotALogError as error:
                skipped.append(SkippedLog(str(self._loom.log(session_id).path), error.message))
            if progress is not None:
                progress(done, len(names))
        return LoomStatus(
            str(self._loom.path),
            self._loom.identity(),
            len(found),
            sum(session.event_count for session in found),
            tuple(found),
            tuple(skipped),
        )

    def _session(self, session_id: str, *, verify: bool) -> SessionStatus:
        log = self._loom.log(session_id)
        try:
            head = log.head()
            report = log.verify() if verify else IntegrityReport(True, head.seq, session_id=session_id)
        except IntegrityError:
            report = log.verify()
            head = None
        if not report.ok and report.findings[0].code == "not_a_log":
            raise NotALogError(report.findings[0].message)
        last = head.event if head is not None and report.ok else log.read(report.total_events)
        return SessionStatus(
            session_id,
            str(log.path),
            report.total_events,
            report.ok,
            report.broken_reason,
            report.broken_at_seq,
            verify or not report.ok,
            last.seq if last else 0,
            last.hash.removeprefix("sha256:") if last else "",
            last.event_type if last else "",
            last.actor if last else "",
            last.recorded_at if last else "",
            tuple(finding.message for finding in report.findings if report.ok),
        )

    def recent(self, *, limit: int = 20, session_id: str | None = None) -> list[LogEntry]:
        """Return the events that were recorded last, newest first.

        In a loom of more than 1,000 sessions the ones whose files changed last are looked at.

        Args:
            limit: How many, 1 to 10,000.
            session_id: Only of this session.

        Raises:
            NotFoundError: There is no such loom or session.
        """
        if not 1 <= limit <= 10_000:
            raise InvalidInputError(f"the limit must be a number from 1 to 10,000, not {limit}")
        self._require()
        stats = self._loom.stats()
        if session_id is not None:
            if session_id not in stats:
                raise NotFoundError(f"there is no session {session_id}", remedy="see which exist: zaxy memory status")
            names = [session_id]
        else:
            names = heapq.nlargest(_MOST_RECENT_LOGS, stats, key=lambda name: (stats[name].modified, name))
        events: list[Event] = []
        for name in names:
            with contextlib.suppress(ZaxyError):  # a damaged log is told by status; its neighbours are listed
                events += self._loom.log(name).tail(limit)
        newest = heapq.nlargest(limit, events, key=lambda event: (event.recorded_at, event.session_id, event.seq))
        return [entry_of(event, self._view) for event in newest]

    def difference(self, session_id: str, *, from_seq: int = 1, to_seq: int | None = None) -> Difference:
        """Return what was added to a session from one sequence number to another.

        Raises:
            NotFoundError: There is no such session.
            InvalidInputError: The range is empty.
            LogDamagedError: A record in the range is bad.
        """
        self._require()
        check_session_id(session_id)
        added = [entry_of(event, self._view) for event in self._loom.log(session_id).replay(from_seq, to_seq)]
        return Difference(
            session_id, from_seq, to_seq if to_seq is not None else (added[-1].seq if added else 0), tuple(added)
        )

    def only_session(self) -> str:
        """Return the loom's session if it has exactly one.

        Raises:
            InvalidInputError: It has none or several.
        """
        self._require()
        names: Sequence[str] = self._loom.sessions()
        if len(names) != 1:
            raise InvalidInputError(f"the loom has {len(names)} sessions", remedy="name one with --session-id")
        return names[0]


def summarize(event: Event) -> str:
    """Return one line that tells what an event is about."""
    told = next(filter(None, (_text_in(event, name) for name in _SUMMARY_MEMBERS)), "")
    if not told:
        of, value = " / ".join(filter(None, (_text_in(event, name) for name in _VALUE_OF))), _text_in(event, "value")
        told = f"{of}: {value}" if of and value else _text_in(event, "subject")
    if told:
        return told if len(told) <= _SUMMARY_CHARACTERS else f"{told[:_SUMMARY_CHARACTERS]}…"
    names = sorted(name for name in event.payload if not name.startswith("__zaxy_"))
    return ", ".join(names)[:_SUMMARY_CHARACTERS] if names else f"{event.event_type} by {event.actor}"


def _text_in(event: Event, name: str) -> str:
    value = event.payload.get(name)
    return " ".join(value.split()) if isinstance(value, str) else ""


def entry_of(event: Event, view: Callable[[Event], Event] | None = None) -> LogEntry:
    """Return an event as it is listed: with the type and the actor of the log, and the words that are meant."""
    return LogEntry(
        event.session_id,
        event.seq,
        event.hash.removeprefix("sha256:"),
        event.recorded_at,
        event.event_type,
        event.actor,
        summarize(event if view is None else view(event)),
        event.citation,
    )
