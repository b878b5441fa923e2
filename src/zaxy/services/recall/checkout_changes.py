"""What changed since an earlier checkout: what the log learned since, of whatever is still so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from zaxy.clock import format_time, parse_time
from zaxy.errors import IntegrityError, InvalidInputError, NotALogError
from zaxy.eventloom.event import Event
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import EventRef, cite, parse_citation
from zaxy.projections.graph.timeline import current
from zaxy.projections.selection import Selection
from zaxy.services.recall.judging import Judge
from zaxy.services.recall.provenance import is_endorsement, is_forgotten, is_untrusted, standing_in
from zaxy.services.recall.results import Change, Changes
from zaxy.telemetry import Degraded, Reason
from zaxy.vocabulary.model import INTERNAL_ENTITY_TYPES, EventClass, Meaning, Role
from zaxy.vocabulary.reading import EventReader

_MOST_LOGS: Final = 2_000
_MOST_EVENTS_A_LOG: Final = 1_000
_MOST_EVENTS: Final = 4_000
_MOST_ITEMS: Final = 40
_FIRST_LOOK: Final = 32
_CITATION_BEGINS: Final = "eventloom://"


@dataclass(frozen=True, slots=True)
class Since:
    """Where "since" begins.

    Attributes:
        told: As the caller wrote it.
        moment: What was recorded later counts (microseconds).
        ref: For a citation: in its own session everything behind it counts, whatever the clock said.
    """

    told: str
    moment: int
    ref: EventRef | None = None

    @classmethod
    def of(cls, told: object, loom: Eventloom) -> Since:
        """Return what a citation or a time means.

        Raises:
            InvalidInputError: It is neither.
            NotFoundError: There is no such event.
            IntegrityError: The event there has another hash.
        """
        if isinstance(told, str) and told.startswith(_CITATION_BEGINS):
            event = loom.resolve(parse_citation(told))
            return cls(told, event.recorded_moment, event.ref)
        try:
            return cls(str(told), parse_time(told, what="since"))
        except InvalidInputError as error:
            raise InvalidInputError(
                error.message.replace("is not an RFC 3339 time", "is neither a citation nor an RFC 3339 time"),
                remedy="write it like 2026-05-08T13:56:00Z, or eventloom://work/events/12",
            ) from error


class ChangeFinder:
    """Looks through what was recorded since a moment. Bounded: the newest events of the newest logs.

    Args:
        loom: The log.
        reader: Gives each event as it is meant.
        selection: What may be told.
    """

    def __init__(self, loom: Eventloom, reader: EventReader, selection: Selection) -> None:
        self._loom = loom
        self._reader = reader
        self._selection = selection
        self.warnings: list[str] = []
        self._complete = True

    def find(self, since: Since) -> tuple[list[Meaning], bool]:
        """Return what was recorded since, newest first, and whether that is all of it."""
        found: list[Meaning] = []
        for session_id in self._sessions():
            if len(found) >= _MOST_EVENTS:
                self._complete = False
                break
            try:
                meanings = map(self._reader.meaning, self._newer(session_id, since))
                found += [meaning for meaning in meanings if self._may_be_told(meaning)]
            except (IntegrityError, NotALogError):
                told = f"what changed in session {session_id} could not be read: its log is damaged"
                self.warnings.append(Degraded(told, Reason.LOG_DAMAGED))
        found.sort(key=lambda one: (-one.event.recorded_moment, one.event.session_id, -one.event.seq))
        return found, self._complete

    def _sessions(self) -> Iterator[str]:
        """Yield the sessions that are asked for, those first whose files changed last."""
        wanted = self._selection.sessions
        stats = {name: stat for name, stat in self._loom.stats().items() if wanted is None or name in wanted}
        newest = sorted(stats, key=lambda name: (-stats[name].modified, name))
        if len(newest) > _MOST_LOGS:
            self._complete = False
        yield from newest[:_MOST_LOGS]

    def _newer(self, session_id: str, since: Since) -> list[Event]:
        log = self._loom.log(session_id)
        head = log.head()
        if since.ref is not None and since.ref.session_id == session_id:
            count = head.seq - since.ref.seq
        elif head.recorded_at <= since.moment:
            return []
        else:
            count = _FIRST_LOOK
            while count < min(head.seq, _MOST_EVENTS_A_LOG) and log.tail(count)[0].recorded_moment > since.moment:
                count *= 4
        if count < 1:
            return []
        events = log.tail(min(count, _MOST_EVENTS_A_LOG))
        newer = [event for event in events if self._is_newer(event, since)]
        if len(newer) == _MOST_EVENTS_A_LOG and newer[0].seq > 1:
            self._complete = False
        return newer

    def _is_newer(self, event: Event, since: Since) -> bool:
        if since.ref is not None and since.ref.session_id == event.session_id:
            return event.seq > since.ref.seq
        return event.recorded_moment > since.moment

    def _may_be_told(self, meaning: Meaning) -> bool:
        event, extraction = meaning.event, meaning.extraction
        told = extraction.event_class is EventClass.MEMORY or bool(extraction.invalidations)
        return told and self._selection.admits(
            event.session_id,
            event.event_type,
            event.actor,
            event.occurred_moment,
            event.recorded_moment,
            housekeeping=False,
        )


def told_changes(since: Since, meanings: Sequence[Meaning], judge: Judge, *, complete: bool) -> Changes:
    """Return what events changed: what they state of a thing if that still holds, what they end, and their number.

    Args:
        since: From when on.
        meanings: What was recorded since, newest first.
        judge: Tells what still holds, as of when.
        complete: Whether this is all of it.
    """
    items: list[Change] = []
    seen: set[str] = set()
    memories = 0
    sessions = set()
    for meaning in meanings:
        memories += meaning.extraction.event_class is EventClass.MEMORY
        sessions.add(meaning.event.session_id)
        if len(items) < _MOST_ITEMS:
            items += _ended(meaning, judge)
            items += _stated(meaning, seen, judge)
    return Changes(since.told, tuple(items[:_MOST_ITEMS]), memories, len(sessions), complete)


def _ended(meaning: Meaning, judge: Judge) -> Iterator[Change]:
    """Yield what an event ends, and that others count again. What was forgotten is not named.

    Other words of an untrusted source for what it said itself change nothing that is so: they are not told.
    """
    event, extraction = meaning.event, meaning.extraction
    if extraction.erased:
        yield _change(event, "", "what somebody asked to forget", "forgotten")
        return
    if not extraction.invalidations or judge.ending(event.ref) is not None:
        return
    place = standing_in(event)
    if place is not None:
        first = judge.event(place)
        if is_untrusted(event) and first is not None and is_untrusted(first):
            return
        yield _change(
            event, "", cite(place.session_id, place.seq, ""), "reviewed" if is_endorsement(event) else "corrected"
        )
        return
    lifted = {(one.session_id, one.seq) for one in extraction.invalidations if one.lifted}
    ended = [one for one in extraction.invalidations if one.moment <= judge.selection.world_moment]
    for again, status in ((False, "ended"), (True, "restored")):
        named = [one for one in ended if ((one.session_id, one.seq) in lifted) is again]
        readable = [one for one in named if not _is_gone(EventRef(one.session_id, one.seq), judge)]
        if readable:
            yield _change(event, "", ", ".join(cite(one.session_id, one.seq, "") for one in readable), status)


def _is_gone(ref: EventRef, judge: Judge) -> bool:
    event = judge.event(ref)
    return event is not None and is_forgotten(event)


def _stated(meaning: Meaning, seen: set[str], judge: Judge) -> Iterator[Change]:
    event, graph, selection = meaning.event, judge.graph, judge.selection
    for stated in meaning.extraction.entities:
        key, entity_type = stated.entity.key, stated.entity.entity_type
        if stated.role is not Role.FACT or key in seen or entity_type in INTERNAL_ENTITY_TYPES:
            continue
        seen.add(key)
        if stated.ended:
            still = judge.ending(event.ref) is None
        else:
            now = current(graph.statements(key), graph.endings, selection)
            still = now is not None and now.ref == event.ref and judge.stale_because(event) is None
        if still:
            yield _change(event, entity_type, stated.entity.name, "ended" if stated.ended else stated.status)


def _change(event: Event, entity_type: str, name: str, status: str) -> Change:
    return Change(
        entity_type, name, status, event.event_type, event.actor, format_time(event.recorded_moment), event.citation
    )
