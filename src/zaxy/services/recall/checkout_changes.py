"""What changed since an earlier checkout: what the log learned since, of whatever is still so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from zaxy.clock import format_time, parse_time
from zaxy.errors import IntegrityError, InvalidInputError, NotALogError
from zaxy.eventloom.event import Event
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import EventRef, cite, parse_citation
from zaxy.projections.graph.timeline import current, ends_at
from zaxy.projections.protocols import GraphReader
from zaxy.projections.selection import Selection
from zaxy.services.recall.results import Change, Changes
from zaxy.vocabulary.model import EventClass, Extraction, Role

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
        extract: What an event means.
        selection: What may be told.
    """

    def __init__(self, loom: Eventloom, extract: Callable[[Event], Extraction], selection: Selection) -> None:
        self._loom = loom
        self._extract = extract
        self._selection = selection
        self.warnings: list[str] = []
        self._complete = True

    def find(self, since: Since) -> tuple[list[Event], bool]:
        """Return the events that were recorded since, newest first, and whether these are all of them."""
        found: list[Event] = []
        for session_id in self._sessions():
            if len(found) >= _MOST_EVENTS:
                self._complete = False
                break
            try:
                found += [event for event in self._newer(session_id, since) if self._may_be_told(event)]
            except (IntegrityError, NotALogError):
                self.warnings.append(f"what changed in session {session_id} could not be read: its log is damaged")
        found.sort(key=lambda event: (-event.recorded_moment, event.session_id, -event.seq))
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

    def _may_be_told(self, event: Event) -> bool:
        meaning = self._extract(event)
        told = meaning.event_class is EventClass.MEMORY or bool(meaning.invalidations)
        return told and self._selection.admits(
            event.session_id,
            event.event_type,
            event.actor,
            event.occurred_moment,
            event.recorded_moment,
            housekeeping=False,
        )


def told_changes(
    since: Since,
    events: Sequence[Event],
    extract: Callable[[Event], Extraction],
    graph: GraphReader,
    selection: Selection,
    *,
    complete: bool,
) -> Changes:
    """Return what events changed: what they state of a thing if that still holds, what they end, and their number.

    Args:
        since: From when on.
        events: What was recorded since, newest first.
        extract: What an event means.
        graph: Tells what still holds.
        selection: As of when.
        complete: Whether these are all events.
    """
    items: list[Change] = []
    seen: set[str] = set()
    memories = 0
    sessions = set()
    for event in events:
        meaning = extract(event)
        memories += meaning.event_class is EventClass.MEMORY
        sessions.add(event.session_id)
        if len(items) < _MOST_ITEMS:
            items += _stated(event, meaning, seen, graph, selection)
    return Changes(since.told, tuple(items[:_MOST_ITEMS]), memories, len(sessions), complete)


def _stated(
    event: Event, meaning: Extraction, seen: set[str], graph: GraphReader, selection: Selection
) -> Iterator[Change]:
    ended = [ending for ending in meaning.invalidations if ending.moment <= selection.world_moment]
    if ended:
        named = ", ".join(cite(ending.session_id, ending.seq, "") for ending in ended)
        yield _change(event, "", named, "ended")
    for stated in meaning.entities:
        key = stated.entity.key
        if stated.role is not Role.FACT or key in seen:
            continue
        seen.add(key)
        if stated.ended:
            still = ends_at(event.ref, graph.endings, selection.knowledge_moment) > selection.world_moment
        else:
            now = current(graph.statements(key), graph.endings, selection)
            still = now is not None and now.ref == event.ref
        if still:
            yield _change(
                event, stated.entity.entity_type, stated.entity.name, "ended" if stated.ended else stated.status
            )


def _change(event: Event, entity_type: str, name: str, status: str) -> Change:
    return Change(
        entity_type, name, status, event.event_type, event.actor, format_time(event.recorded_moment), event.citation
    )
