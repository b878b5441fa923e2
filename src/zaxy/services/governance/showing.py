"""One memory with all that was done to it: what it says now, what it said before, who changed it and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from zaxy.clock import Clock, format_time
from zaxy.errors import IntegrityError
from zaxy.eventloom.event import Event
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.origin import Origin
from zaxy.ids import EventRef
from zaxy.projections.protocols import Ending, GraphReader
from zaxy.projections.selection import ended_from
from zaxy.vocabulary.governed import CORRECTED, DERIVED_FROM, STANDS_FOR, event_entity, told_change
from zaxy.vocabulary.model import GOVERNED_EVENT_TYPES, VOID
from zaxy.vocabulary.payloads import VIEW_KEY
from zaxy.vocabulary.reading import EventReader
from zaxy.vocabulary.wording import said

MOST_STEPS: Final = 1_000
"""How many events a history follows."""

_DONE: Final = {
    "memory.corrected": "corrected",
    "memory.endorsed": "endorsed",
    "memory.rolled_back": "rolled back",
    "memory.forgotten": "forgotten",
    "memory.invalidated": "invalidated",
}

AskGraph = Callable[[Callable[[GraphReader], Any]], Any]
"""Asks the graph, brought up to the end of the log first."""


@dataclass(frozen=True, slots=True)
class Step:
    """One event in a memory's history.

    Attributes:
        citation: The event.
        change: ``said``, ``corrected``, ``endorsed``, ``rolled back``, ``forgotten`` or ``invalidated``.
        actor: Who did it.
        recorded_at: When the log learned it, RFC 3339 UTC.
        reason: Why, empty where nothing was told.
        content: What the memory says by this event; empty where it only ends another one.
        counts: Whether the event is in force.
    """

    citation: str
    change: str
    actor: str
    recorded_at: str
    reason: str
    content: str
    counts: bool


@dataclass(frozen=True, slots=True)
class EndingShown:
    """What ended one of the events of a memory, or took that back.

    Attributes:
        target: The event that is ended.
        by: The event that says so.
        from_when: From when on in the world, RFC 3339; empty for "as if never said".
        recorded_at: When the log learned it.
        lifted: Whether it takes an ending back.
    """

    target: str
    by: str
    from_when: str
    recorded_at: str
    lifted: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """One memory.

    Attributes:
        citation: The event that speaks for it now: its latest correction in force, else the event it began with.
        session_id: Its session.
        seq: That event's number.
        hash: That event's hash, 64 digits.
        root: The event that it began with.
        event_type: Such as ``note.made``.
        actor: Who said it first.
        occurred_at: When it happened in the world.
        recorded_at: When the log learned what it says now.
        content: What it says now; ``[FORGOTTEN]`` or ``[SEALED]`` where that cannot be read.
        state: ``current``, ``corrected``, ``endorsed``, ``ended``, ``forgotten`` or ``sealed``.
        taint: ``untrusted`` for what nobody reviewed that comes from an untrusted source, else empty.
        origin: Where it comes from, as it was recorded; empty where nothing was told.
        derives_from: Citations of the events that it was made from.
        derived: Citations of the memories that say they were made from it.
        history: All that was said and done, in the order it was recorded.
        endings: What ended which of these events.
    """

    citation: str
    session_id: str
    seq: int
    hash: str
    root: str
    event_type: str
    actor: str
    occurred_at: str
    recorded_at: str
    content: str
    state: str
    taint: str
    origin: dict[str, Any]
    derives_from: tuple[str, ...]
    derived: tuple[str, ...]
    history: tuple[Step, ...]
    endings: tuple[EndingShown, ...]


@dataclass(frozen=True, slots=True)
class _Linked:
    """What the graph knows of a memory: the endings of each of its events, and what was made from them."""

    endings: dict[EventRef, list[Ending]]
    derived: tuple[EventRef, ...]


class ShowingService:
    """Shows memories.

    Args:
        loom: Where they are.
        reader: Gives events as they are meant.
        ask_graph: Knows what was done to them.
        clock: What "now" is.
    """

    def __init__(self, loom: Eventloom, reader: EventReader, ask_graph: AskGraph, clock: Clock) -> None:
        self._loom = loom
        self._reader = reader
        self._ask_graph = ask_graph
        self._clock = clock

    def show(self, target: Event) -> Shown:
        """Return the memory that an event belongs to, with its history.

        Args:
            target: The event as the log holds it: what was said, or a correction of it.

        Raises:
            IntegrityError: The log was damaged where an event of its history stood.
        """
        root = self._reader.root(target)
        linked = self._linked(root)
        refs = sorted(linked.endings, key=self._place)
        speaker = self._speaker(root, linked)
        view = self._view(speaker)
        mark = view.payload.get(VIEW_KEY, {})
        ended = not self._counts(speaker, linked)
        origin = Origin.told(self._view(root).payload)
        return Shown(
            citation=view.citation,
            session_id=view.session_id,
            seq=view.seq,
            hash=view.hash.removeprefix("sha256:"),
            root=self._view(root).citation,
            event_type=view.event_type,
            actor=view.actor,
            occurred_at=view.occurred_at,
            recorded_at=view.recorded_at,
            content=said(view),
            state=_state(mark.get("state", ""), ended=ended),
            taint=mark.get("taint", ""),
            origin={} if origin is None else origin.member(),
            derives_from=() if origin is None else origin.derives_from,
            derived=tuple(self._view(ref).citation for ref in linked.derived),
            history=tuple(self._step(ref, root, linked) for ref in refs),
            endings=tuple(self._ending(ref, one) for ref in refs for one in linked.endings[ref]),
        )

    def _linked(self, root: EventRef) -> _Linked:
        def follow(graph: GraphReader) -> _Linked:
            endings: dict[EventRef, list[Ending]] = {}
            waiting = [root]
            while waiting and len(endings) < MOST_STEPS:
                ref = waiting.pop()
                if ref not in endings:
                    endings[ref] = graph.endings(ref)
                    waiting += [one.by for one in endings[ref]]
            spoken = [event_entity(ref).key for ref in endings]
            relations = [(key, relation) for key in spoken for relation in graph.relations(key)]
            told = [one for key, one in relations if one.relation == DERIVED_FROM and one.target == key]
            return _Linked(endings, tuple(sorted({each.ref for one in told for each in one.statements} - set(endings))))

        linked: _Linked = self._ask_graph(follow)
        named = [ref for ref in linked.derived if self._names(ref, set(linked.endings))]  # keys of the graph fold case
        return _Linked(linked.endings, tuple(named))

    def _names(self, ref: EventRef, sources: set[EventRef]) -> bool:
        """Return whether a memory was made from one of these; what only proposes or reviews a change is none."""
        raw = self._loom.read(ref)
        if raw is None or raw.event_type in GOVERNED_EVENT_TYPES - {CORRECTED}:
            return False
        return bool(sources & set(self._reader.meaning(raw).extraction.derived_from))

    def _speaker(self, root: EventRef, linked: _Linked) -> EventRef:
        """Return the latest correction or endorsement in force, else the root."""
        standing = [ref for ref in linked.endings if self._stands_for(ref, root) and self._counts(ref, linked)]
        return max(standing, key=self._place, default=root)

    def _stands_for(self, ref: EventRef, root: EventRef) -> bool:
        raw = self._loom.read(ref)
        return raw is not None and raw.event_type in STANDS_FOR and self._reader.root(raw) == root

    def _counts(self, ref: EventRef, linked: _Linked) -> bool:
        now = self._clock.now()
        return ended_from((one.mark for one in linked.endings[ref]), now) > now

    def _place(self, ref: EventRef) -> tuple[int, EventRef]:
        return (self._view(ref).recorded_moment, ref)

    def _view(self, ref: EventRef) -> Event:
        event = self._reader.read(ref)
        if event is None:  # the graph was fed with it
            raise IntegrityError(
                f"event {ref.seq} of session {ref.session_id}, part of this memory, is not in the log as it was",
                remedy="run: zaxy log verify",
            )
        return event

    def _step(self, ref: EventRef, root: EventRef, linked: _Linked) -> Step:
        raw, view = self._loom.read(ref), self._view(ref)
        assert raw is not None  # the same event as the view's
        change = told_change(raw)
        speaks = ref == root or raw.event_type in STANDS_FOR
        told = view.payload.get(VIEW_KEY, {}).get("reason") or change.reason
        return Step(
            citation=raw.citation,
            change="said" if ref == root else _DONE.get(raw.event_type, raw.event_type),
            actor=raw.actor,
            recorded_at=raw.recorded_at,
            reason=told,
            content=said(view) if speaks else "",
            counts=self._counts(ref, linked),
        )

    def _ending(self, ref: EventRef, ending: Ending) -> EndingShown:
        return EndingShown(
            target=self._view(ref).citation,
            by=self._view(ending.by).citation,
            from_when="" if ending.moment == VOID else format_time(ending.moment),
            recorded_at=format_time(ending.recorded_at),
            lifted=ending.lifted,
        )


def _state(told: str, *, ended: bool) -> str:
    if told in ("forgotten", "sealed"):
        return told
    return "ended" if ended else told or "current"
