"""Whether an event still counts at the moment that is asked for, and what it was that ended it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from zaxy.clock import format_time
from zaxy.eventloom.event import Event
from zaxy.eventloom.origin import Origin
from zaxy.ids import Citation, EventRef, cite, parse_citation
from zaxy.projections.graph.timeline import current, precedence, visible
from zaxy.projections.protocols import Ending, GraphReader, Statement
from zaxy.projections.selection import Selection, ended_from
from zaxy.services.recall.provenance import (
    citations_in,
    corrected,
    is_endorsement,
    is_forgotten,
    is_untrusted,
    standing_in,
)
from zaxy.vocabulary.facts import same_value, stated_value
from zaxy.vocabulary.governed import matches
from zaxy.vocabulary.model import SINGLE_VALUED_ENTITY_TYPES, VOID, EntityRef, Extraction, Role

MOST_SOURCES: Final = 1_000
"""How many events, sources of sources among them, are looked at to tell whether what was made of them is current."""

Read = Callable[[EventRef], Event | None]


class Judge:
    """Judges events for one question. Made where the graph is asked, so that all judgements see one state of it.

    Args:
        graph: Knows what was stated and what was ended.
        read: Gives an event as it is meant.
        selection: As of when.
    """

    def __init__(self, graph: GraphReader, read: Read, selection: Selection) -> None:
        self.graph = graph
        self.selection = selection
        self._read = read
        self._events: dict[EventRef, Event | None] = {}

    def event(self, ref: EventRef) -> Event | None:
        """Return an event as it is meant, read once."""
        if ref not in self._events:
            self._events[ref] = self._read(ref)
        return self._events[ref]

    def ending(self, ref: EventRef) -> Ending | None:
        """Return what ended an event by then, as far as was known, or None while it counts."""
        known_at = self.selection.knowledge_moment
        endings = self.graph.endings(ref)
        if not endings:
            return None
        moment = ended_from([one.mark for one in endings], known_at)
        if moment > self.selection.world_moment:
            return None
        saying = [one for one in endings if one.moment == moment and not one.lifted and one.recorded_at <= known_at]
        return max(saying, key=lambda one: (one.recorded_at, one.by))

    def stands(self, event: Event) -> bool:
        """Return whether an event counts: not ended, not forgotten, and made from nothing that is no longer so."""
        return not is_forgotten(event) and self.ending(event.ref) is None and self.stale_because(event) is None

    def in_place_of(self, ref: EventRef) -> Event | None:
        """Return the event that says what is meant at a place: its correction or the one there, None if none counts."""
        event = self.event(ref)
        for ending in self.graph.endings(ref):
            by = self.event(ending.by)
            if by is not None and standing_in(by) == ref and self.stands(by):
                return by
        return event if event is not None and self.stands(event) else None

    def stale_because(self, event: Event) -> EventRef | None:
        """Return an event that this one was made from, at whatever remove, and that is no longer so; None without one.

        Only an event that says what it was made from costs anything. One that was corrected or reviewed is as new as
        that: of what it was made from, only what the log learned since then counts. Nearer sources come first; of more
        than `MOST_SOURCES` the rest is not looked at.
        """
        waiting, seen = deque(self._made_from(event, 0)), {event.ref}
        while waiting and len(seen) <= MOST_SOURCES:
            cited, since = waiting.popleft()
            source = None if cited.ref in seen else self.event(cited.ref)
            if source is None or not matches(source, cited):
                continue
            seen.add(cited.ref)
            ending = self.ending(cited.ref)
            by = None if ending is None else self.event(ending.by)
            if by is not None and is_endorsement(by) and standing_in(by) is not None:
                waiting.append((parse_citation(by.citation), since))  # reviewed: the same text, said again
            elif ending is None and not self._is_replaced(source, since):
                waiting.extend(self._made_from(source, since))
            elif ending is None or ending.recorded_at > since:
                return cited.ref
        return None

    def _made_from(self, event: Event, since: int) -> list[tuple[Citation, int]]:
        """Return what an event was made from, each with the moment up to which what was known of it was heeded."""
        start = standing_in(event)
        before = None if start is None else self.event(start)
        if before is None:
            return [(cited, since) for cited in _sources(event)]
        return [(cited, max(since, event.recorded_moment)) for cited in (*_sources(event), *_sources(before))]

    def _is_replaced(self, event: Event, since: int) -> bool:
        """Return whether a thing of one value, of which this event told the value, has another one now, in any session.

        Args:
            event: Which still counts.
            since: What the log learned up to then does not count (microseconds).
        """
        everywhere = replace(self.selection, sessions=None)
        if event.occurred_moment > everywhere.world_moment:
            return False
        for key in self.graph.stated_by(event.ref):
            if key.partition(":")[0] not in SINGLE_VALUED_ENTITY_TYPES:
                continue
            statements = self.graph.statements(key)
            now = current(statements, self.graph.endings, everywhere)
            if now is None:
                word = self._last_word(event.ref, statements)
                if word is None or word.recorded_at > since:
                    return True
            elif now.ref != event.ref and now.recorded_at > since:
                says = self.event(now.ref)
                if says is None or not same_value(stated_value(says), stated_value(event)):
                    return True
        return False

    def judged(self, event: Event, extraction: Extraction, *, unchecked: bool) -> dict[str, Any] | None:
        """Return what a hit says of its event's standing, or None when the event does not belong in the answer.

        Args:
            event: As it is meant.
            extraction: What it means.
            unchecked: Whether its endings are still to be looked at; the indexes left out what they know to be ended.
        """
        history = self.selection.history
        told: dict[str, Any] = {}
        if unchecked or history:
            ending = self.ending(event.ref)
            if ending is not None and not history:
                return None
            if ending is not None:
                told |= self._ended(ending.by, ending.recorded_at if ending.moment == VOID else ending.moment)
        for entity in facts_of(event, extraction):
            statements = self.graph.statements(entity.key)
            now = current(statements, self.graph.endings, self.selection)
            replaced = now is None or now.ref != event.ref
            if replaced and entity.entity_type in SINGLE_VALUED_ENTITY_TYPES:
                if not history:
                    return None
                told = {**self._superseded(event, statements, now), **told}
            if "entity" not in told:
                status = now.status if now else "ended"
                told = {"entity": entity.key, "status": status, "current": not replaced, **told}
        stale = self.stale_because(event)
        if stale is not None and not history:
            return None
        return told if stale is None else {**told, "stale_because": self._cited(stale)}

    def _superseded(self, event: Event, statements: list[Statement], now: Statement | None) -> dict[str, Any]:
        """Return what took the place of a value: the one that holds, or the word that there is none any more."""
        if now is not None:
            return self._ended(now.ref, max(now.valid_from, event.occurred_moment))
        last = self._last_word(event.ref, statements)
        return {} if last is None else self._ended(last.ref, last.valid_from)

    def _last_word(self, ref: EventRef, statements: list[Statement]) -> Statement | None:
        """Return the latest statement, other than that of this event, that there is no value any more."""
        known = (one for one in visible(statements, self.selection) if one.ended and one.ref != ref)
        return max((one for one in known if self.ending(one.ref) is None), key=precedence, default=None)

    def _ended(self, by: EventRef, moment: int) -> dict[str, Any]:
        return {"ended_by": self._cited(by), "ended_at": format_time(moment)}

    def _cited(self, ref: EventRef) -> str:
        event = self.event(ref)
        return cite(ref.session_id, ref.seq, "") if event is None else event.citation


def facts_of(event: Event, extraction: Extraction) -> list[EntityRef]:
    """Return of what an event states a fact; one from an untrusted source states none."""
    if is_untrusted(event):
        return []
    return [stated.entity for stated in extraction.entities if stated.role is Role.FACT]


def needs_judging(event: Event, extraction: Extraction) -> bool:
    """Return whether the graph has to be asked about an event of which the indexes know every ending."""
    return bool(facts_of(event, extraction) or _sources(event) or standing_in(event))


def _sources(event: Event) -> list[Citation]:
    """Return what an event says it was made from; what it stands in the place of is not among that."""
    origin = Origin.told(event.payload)
    if origin is None or not origin.derives_from:
        return []
    own = corrected(event)
    return [cited for cited in citations_in(origin.derives_from) if cited.ref not in own]
