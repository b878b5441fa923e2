"""How the events of a loom hang together, folded from them in order.

An end of an edge is the id of a span, or, of what the export does not hold, how the log names it: a citation, or an
event id behind ``id:``. Missions and findings are known by an id of their own and may stand in a session that comes
later, so these ends are left open and filled in when everything was read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import Event
from zaxy.eventloom.origin import ORIGIN_KEY, Origin
from zaxy.ids import Citation, EventRef, parse_citation
from zaxy.services.operations.trace_model import Kind, Relation, Seen, span_id
from zaxy.vocabulary.governed import (
    CORRECTED,
    CORRECTION_PROPOSED,
    ENDORSED,
    FORGOTTEN_TYPE,
    MAX_CITED,
    REVIEWED,
    ROLLBACK_PROPOSED,
    ROLLED_BACK,
    told_change,
)
from zaxy.vocabulary.reading import cited_by

_CHANGES: Final[Mapping[str, Relation]] = {
    CORRECTION_PROPOSED: Relation.PROPOSES_FOR,
    ROLLBACK_PROPOSED: Relation.PROPOSES_FOR,
    REVIEWED: Relation.REVIEWS,
    CORRECTED: Relation.CORRECTS,
    ENDORSED: Relation.ENDORSES,
    ROLLED_BACK: Relation.ROLLS_BACK,
    FORGOTTEN_TYPE: Relation.FORGETS,
}
_INVALIDATED: Final = "memory.invalidated"
_REINFORCED: Final = "memory.reinforcement"
_CITING: Final[Mapping[str, Relation]] = {
    "checkout": Relation.USED_CHECKOUT,
    "checkout_id": Relation.USED_CHECKOUT,
    "checkout_citation": Relation.USED_CHECKOUT,
    "citations": Relation.CITES,
    "evidence": Relation.CITES,
    "gate": Relation.CITES,
    "promotion_id": Relation.CITES,
}
"""Payload members that hold a citation, a list of them, or a list of objects with one in ``reference``."""

_BY_FINDING: Final[Mapping[Kind, Relation]] = {Kind.REVIEW: Relation.REVIEWS, Kind.PROMOTION: Relation.PROMOTES}
_EVENT_ID: Final = re.compile(r"evt_zaxy_(\d{12})_")
_REMEMBERED: Final = 4_096
"""How many events of a session are known without a look into the log."""

_MAX_CHARACTERS: Final = 300


class Key(NamedTuple):
    """What is known by an id of its own: a mission or a finding."""

    kind: str
    name: str


End = str | Key


class Edge(NamedTuple):
    """Two ends and what the source is to the target."""

    relation: Relation
    source: End
    target: End


class _Told(NamedTuple):
    """What an event says of another one: how it names it, and whether that one is the edge's source."""

    relation: Relation
    named: str | Citation
    is_source: bool = False


@dataclass(slots=True)
class Keyed:
    """What was found under ids of their own, and how many edges wait for each of them.

    It grows with the number of missions and findings, and with nothing else.
    """

    ends: dict[Key, str] = field(default_factory=dict)
    waiting: Counter[Key] = field(default_factory=Counter)

    def found(self) -> int:
        """Return how many of the open edges have their end now."""
        return sum(count for key, count in self.waiting.items() if key in self.ends)


@dataclass(frozen=True, slots=True)
class Scope:
    """What an export holds, and the log to look up the rest in.

    Attributes:
        sessions: The sessions that are exported.
        covers: Whether an event of such a session is.
        read_many: Gives events of the log.
        keyed: What was found under ids of their own.
    """

    sessions: Collection[str]
    covers: Callable[[Event], bool]
    read_many: Callable[[Collection[EventRef]], Mapping[EventRef, Event]]
    keyed: Keyed

    def end(self, event: Event) -> str:
        """Return how an event is named as an end of an edge."""
        if event.session_id in self.sessions and self.covers(event):
            return span_id(event.session_id, event.seq)
        return event.citation


class _Known(NamedTuple):
    """What has to be known of an event to name it as an end."""

    event_id: str
    digest: str
    end: str

    @classmethod
    def of(cls, event: Event, end: str) -> _Known:
        return cls(event.id, event.hash.removeprefix("sha256:"), end)


@dataclass(slots=True)
class _Talk:
    """Where a conversation stands: one agent's last turn and last model call."""

    turn: str = ""
    call: str = ""
    is_requested: bool = False


class SessionEdges:
    """Folds the events of one session into edges. Holds a bounded number of them.

    Args:
        session_id: The session.
        scope: What is exported.
    """

    def __init__(self, session_id: str, scope: Scope) -> None:
        self._session_id = session_id
        self._scope = scope
        self._recent: dict[int, _Known] = {}
        self._looked_up: dict[EventRef, _Known] = {}
        self._talks: dict[str, _Talk] = {}

    def kind(self, seen: Seen) -> Kind:
        """Return what an event is among its neighbours: a turn that answers a recorded request is no further call."""
        if seen.kind is Kind.MODEL_CALL and seen.raw.event_type == "transcript.turn" and self._talk(seen).is_requested:
            return Kind.TRANSCRIPT
        return seen.kind

    def take(self, seen: Seen, kind: Kind) -> Iterator[Edge]:
        """Yield the edges that an event makes; the next event may be given once all were taken.

        Args:
            seen: The next event of the session.
            kind: What it is, as `kind` says.
        """
        raw = seen.raw
        own = self._scope.end(raw)
        yield from self._keyed(seen, kind, own)
        yield from self._conversation(seen, kind, own)
        told = [*_told_by_envelope(raw), *_told_by_payload(seen)]
        if told:
            yield from self._resolved(told, own)
        self._recent[raw.seq] = _Known.of(raw, own)
        self._recent.pop(raw.seq - _REMEMBERED, None)

    def _keyed(self, seen: Seen, kind: Kind, own: str) -> Iterator[Edge]:
        keyed = self._scope.keyed
        mission, finding = Key("mission", seen.told("mission_id")), Key("finding", seen.told("finding_id"))
        if not mission.name and (own_session := Key("mission", self._session_id)) in keyed.ends:
            mission = own_session  # a mission's own session belongs to it, whatever its events tell
        if mission.name and not (kind is Kind.MISSION and keyed.ends.setdefault(mission, own) == own):
            yield Edge(Relation.CONTAINS, mission, own)
        if kind is Kind.FINDING and finding.name:
            keyed.ends.setdefault(finding, own)
        elif finding.name and kind in _BY_FINDING:
            yield Edge(_BY_FINDING[kind], own, finding)

    def _talk(self, seen: Seen) -> _Talk:
        agent = seen.told("agent") or ("sidechain" if seen.payload.get("sidechain") is True else "")
        if agent not in self._talks and len(self._talks) >= _REMEMBERED:
            self._talks.clear()
        return self._talks.setdefault(agent, _Talk())

    def _conversation(self, seen: Seen, kind: Kind, own: str) -> Iterator[Edge]:
        if kind not in (Kind.MODEL_CALL, Kind.TOOL_CALL, Kind.TRANSCRIPT):
            return
        talk = self._talk(seen)
        if kind is Kind.MODEL_CALL:
            if talk.turn:
                yield Edge(Relation.PROMPTED, talk.turn, own)
            talk.call, talk.is_requested = own, seen.raw.event_type != "transcript.turn"
        elif kind is Kind.TOOL_CALL and talk.call:
            yield Edge(Relation.OBSERVED_TOOL_CALL, talk.call, own)
        elif kind is Kind.TRANSCRIPT:
            if talk.is_requested:
                yield Edge(Relation.RESPONDED_WITH, talk.call, own)
            talk.turn = own

    def _resolved(self, told: list[_Told], own: str) -> Iterator[Edge]:
        places = {place for one in told if (place := self._place(one.named)) is not None}
        self._look_up({place for place in places if self._known(place) is None})
        edges: dict[Edge, None] = {}
        for one in told:
            other = self._end(one.named)
            if other != own:
                edges[Edge(one.relation, other, own) if one.is_source else Edge(one.relation, own, other)] = None
        yield from edges

    def _place(self, named: str | Citation) -> EventRef | None:
        """Return where an event stands that is named by a citation or an id; an id is one of this session."""
        if isinstance(named, Citation):
            return named.ref
        match = _EVENT_ID.match(named)
        return None if match is None else EventRef(self._session_id, int(match[1]))

    def _known(self, place: EventRef) -> _Known | None:
        recent = self._recent.get(place.seq) if place.session_id == self._session_id else None
        return recent or self._looked_up.get(place)

    def _look_up(self, places: set[EventRef]) -> None:
        if len(self._looked_up) + len(places) > _REMEMBERED:
            self._looked_up.clear()
        for place, event in self._scope.read_many(places).items() if places else ():
            self._looked_up[place] = _Known.of(event, self._scope.end(event))

    def _end(self, named: str | Citation) -> str:
        """Return the end of an edge for what is named: as the log names it where there is no such event."""
        place = self._place(named)
        known = None if place is None else self._known(place)
        if isinstance(named, Citation):
            return known.end if known is not None and known.digest.startswith(named.hash_prefix) else str(named)
        return known.end if known is not None and known.event_id == named else f"id:{named[:_MAX_CHARACTERS]}"


def _told_by_envelope(raw: Event) -> Iterator[_Told]:
    if raw.parent_event_id:
        yield _Told(Relation.PARENT_OF, raw.parent_event_id, is_source=True)
    for cause in raw.caused_by:
        yield _Told(Relation.CAUSED, cause, is_source=True)
    told = raw.payload.get(ORIGIN_KEY)
    origin = Origin.told(raw.payload) if isinstance(told, Mapping) and told.get("derives_from") else None
    if origin is not None:
        for cited in cited_by(origin):
            yield _Told(Relation.DERIVED_FROM, cited)


def _told_by_payload(seen: Seen) -> Iterator[_Told]:
    raw, payload = seen.raw, seen.raw.payload
    if raw.event_type in _CHANGES:
        change = told_change(raw)
        for cited in () if change.target is None else (change.target, *change.also):
            yield _Told(_CHANGES[raw.event_type], cited)
    elif raw.event_type in (_INVALIDATED, _REINFORCED):
        ends = raw.event_type == _INVALIDATED or payload.get("kind") == "invalidated"
        for cited in _targets(payload.get("targets"), raw.session_id):
            yield _Told(Relation.INVALIDATES if ends else Relation.REINFORCES, cited)
    source = payload.get("source")
    for holder in (seen.payload, source) if isinstance(source, Mapping) else (seen.payload,):
        for name in _CITING.keys() & holder.keys():
            for cited in _cited(holder[name]):
                yield _Told(_CITING[name], cited)


def _targets(told: object, session_id: str) -> Iterator[Citation]:
    for one in told[:MAX_CITED] if isinstance(told, list) else ():
        seq, digest = (one.get("seq"), one.get("hash")) if isinstance(one, Mapping) else (None, None)
        if type(seq) is int and isinstance(digest, str):  # as zaxy-memory 3.x names an event of the same session
            yield from _cited(f"eventloom://{session_id}/events/{seq}#{digest.removeprefix('sha256:')}")
        else:
            yield from _cited(one)


def _cited(told: Any) -> Iterator[Citation]:
    for one in told[:MAX_CITED] if isinstance(told, list) else (told,):
        named = one.get("reference") if isinstance(one, Mapping) else one
        if isinstance(named, str) and named.startswith("eventloom:"):
            try:
                yield parse_citation(named)
            except InvalidInputError:
                continue
