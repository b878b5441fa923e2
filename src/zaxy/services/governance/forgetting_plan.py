"""What is to be forgotten: memories with all their corrections, and what was made from them. Nothing is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from zaxy.clock import parse_time
from zaxy.errors import ForgottenError, InvalidInputError, KeyUnavailableError, NotFoundError, ZaxyError
from zaxy.eventloom.event import Event
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.vault.cell import check_key_id, is_sealed
from zaxy.eventloom.vault.opening import Opener, SealState, sealed_key_id
from zaxy.ids import EventRef, parse_citation
from zaxy.projections.protocols import GraphReader
from zaxy.projections.selection import Names
from zaxy.services.governance.forgetting_receipt import Kept
from zaxy.vocabulary.governed import (
    CORRECTED,
    CORRECTION_PROPOSED,
    DERIVED_FROM,
    ENDORSED,
    FORGOTTEN_TYPE,
    event_entity,
    told_change,
)
from zaxy.vocabulary.model import GOVERNED_EVENT_TYPES, EventClass
from zaxy.vocabulary.reading import EventReader
from zaxy.vocabulary.registry import event_class

MAX_MEMORIES: Final = 500
"""How many memories one plan takes in; what is selected beyond that is counted in `Plan.left_out`."""

MAX_EVENTS: Final = 1_000
"""How many events they may have together, so that a receipt stays shorter than a signed note may be."""

MAX_LISTED: Final = 200
"""How many of the events that cannot be forgotten a plan lists."""

_NOTHING: Final = "nothing: what it says stays in the log"

MEMORY: Final = "memory"
DERIVED: Final = "derived"

_RECORDS: Final = GOVERNED_EVENT_TYPES - {CORRECTED, CORRECTION_PROPOSED}
"""What says why a memory was changed, and holds no text of it."""

_ROLES: Final = {CORRECTED: "correction", CORRECTION_PROPOSED: "proposal", ENDORSED: "endorsement"}

AskGraph = Callable[[Callable[[GraphReader], Any]], Any]
"""Asks the graph, brought up to the end of the log first."""

FindCited = Callable[[str, str | None, str | None, int | None], Sequence[str]]
"""Gives the citations of what a query returns, best first: its text, a session, an actor, what happened before when."""


@dataclass(frozen=True, slots=True)
class PlannedEvent:
    """One event that goes.

    Attributes:
        event: As the log holds it.
        cell_id: The key that opens it; empty for an endorsement, which holds no text of its own.
        role: ``memory``, ``correction``, ``proposal``, ``endorsement`` or ``derived``.
    """

    event: Event
    cell_id: str
    role: str


@dataclass(frozen=True, slots=True)
class PlannedMemory:
    """One memory that goes: the event it began with first, then its corrections and what was made from them."""

    events: tuple[PlannedEvent, ...]

    @property
    def target(self) -> Event:
        """The event it began with, as the log holds it."""
        return self.events[0].event

    @property
    def citation(self) -> str:
        """The citation of that event."""
        return self.target.citation


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be forgotten.

    Attributes:
        items: The memories, each once.
        unsealed: What was selected or made from them and cannot be forgotten, and why; at most 200.
        left_out: How many more memories were selected than one plan takes in.
        unlisted: How many more there are of what cannot be forgotten.
    """

    items: tuple[PlannedMemory, ...]
    unsealed: tuple[Kept, ...] = ()
    left_out: int = 0
    unlisted: int = 0


class _Refused(NamedTuple):
    """Why an event cannot be forgotten, and the error that says so."""

    kept: Kept
    error: type[ZaxyError]
    is_gone: bool = False

    def raised(self) -> ZaxyError:
        return self.error(f"{self.kept.citation} {self.kept.reason}", remedy=self.kept.remedy)


@dataclass(frozen=True, slots=True)
class Planner:
    """Works out what goes.

    Attributes:
        loom: The log.
        reader: Gives events as they are meant.
        opener: Knows what can be read.
        ask_graph: Knows what was made from what.
        find_cited: Finds memories by a question.
    """

    loom: Eventloom
    reader: EventReader
    opener: Opener
    ask_graph: AskGraph
    find_cited: FindCited

    def named(self, targets: Sequence[Event | str]) -> Plan:
        """Return the plan for memories that are named. Errors as `ForgettingService.plan`."""
        raws = [self.loom.resolve(parse_citation(one)) if isinstance(one, str) else one for one in targets]
        return self._plan(dict.fromkeys(self._root(raw) for raw in raws), is_named=True)

    def selected(self, query: str | None, actor: str | None, before: str | None, session_id: str | None) -> Plan:
        """Return the plan for memories that are selected. Errors as `ForgettingService.plan`."""
        moment = None if before is None else parse_time(before, what="before")
        if query is None:
            raws: Iterable[Event] = self._scan(actor, moment, session_id)
        else:
            cited = self.find_cited(query, session_id, actor, moment)
            raws = (self.loom.resolve(parse_citation(citation)) for citation in cited)
        return self._plan(dict.fromkeys(self._root(raw) for raw in raws), is_named=False)

    def _scan(self, actor: str | None, before: int | None, session_id: str | None) -> Iterator[Event]:
        """Yield the memories of an actor, or from before a moment."""
        actors, sessions = Names.of(actor, what="actor"), Names.of(session_id, what="session")
        wanted = [name for name in self.loom.sessions() if sessions is None or name in sessions]
        if not wanted:
            raise NotFoundError("no session has the name that was given", remedy="see them: zaxy memory status")
        for name in wanted:
            for raw in self.loom.log(name).replay():
                if event_class(raw.event_type) is EventClass.HOUSEKEEPING:
                    continue
                if actors is not None and raw.actor not in actors:
                    continue
                if before is None or self.reader.view(raw).occurred_moment < before:
                    yield raw

    # ---- one plan

    def _plan(self, roots: Iterable[EventRef], *, is_named: bool) -> Plan:
        gathering = _Gathering(self, set(roots))
        for root in roots:
            gathering.take(root, is_named=is_named)
        listed = tuple(gathering.kept.values())[:MAX_LISTED]
        unlisted = len(gathering.kept) - len(listed)
        return Plan(tuple(gathering.items), listed, gathering.left_out, unlisted)

    def _root(self, raw: Event) -> EventRef:
        """Return where the chain begins that an event belongs to."""
        if raw.event_type == CORRECTION_PROPOSED:
            target = told_change(self.reader.view(raw)).target
            held = None if target is None else self.loom.read(target.ref)
            return raw.ref if held is None else self.reader.root(held)
        return self.reader.root(raw)

    def chains(self, session_id: str) -> dict[EventRef, list[Event]]:
        """Return the corrections, proposals and endorsements of a session, by where their chains begin.

        They stand in the session of what they are about. The log is read, not a store: nothing may be missed.
        """
        found: dict[EventRef, list[Event]] = {}
        for raw in self.loom.log(session_id).replay():
            if raw.event_type in _ROLES:
                found.setdefault(self._root(raw), []).append(raw)
        return found

    def derived(self, refs: Sequence[EventRef]) -> list[Event]:
        """Return the events that say they were made from one of these."""
        wanted = set(refs)

        def found(graph: GraphReader) -> list[EventRef]:
            keys = {event_entity(ref).key for ref in refs}
            relations = [relation for key in keys for relation in graph.relations(key)]
            told = [one for one in relations if one.relation == DERIVED_FROM and one.target in keys]
            return sorted({statement.ref for relation in told for statement in relation.statements})

        # a key in the graph folds case, so two sessions may share one: the event itself says what it was made from
        raws = [raw for ref in self.ask_graph(found) if (raw := self.loom.read(ref)) is not None]
        return [raw for raw in raws if wanted & set(self.reader.meaning(raw).extraction.derived_from)]

    def about(self, refs: Sequence[EventRef]) -> list[Kept]:
        """Return what speaks of these events in the clear: invalidations and reviews that name them or say why."""

        def found(graph: GraphReader) -> set[EventRef]:
            return {ending.by for ref in refs for ending in graph.endings(ref)}

        raws = [raw for ref in sorted(self.ask_graph(found)) if (raw := self.loom.read(ref)) is not None]
        speaking = [raw for raw in raws if any(raw.payload.get(name) for name in ("reason", "entity"))]
        return [Kept(raw.citation, "names it or says why in the clear", _NOTHING) for raw in speaking]

    def judge(self, raw: Event) -> str | _Refused:
        """Return the key under which an event is sealed, or why it cannot be forgotten."""
        citation = raw.citation
        if not is_sealed(raw.payload) and raw.event_type in _RECORDS:
            reason = "is the memory's own record of a change: its reason text stays in the log"
            return _Refused(Kept(citation, reason, ""), InvalidInputError)
        if not is_sealed(raw.payload):
            reason = "is not sealed: it was recorded in the clear, and the log is never rewritten"
            return _Refused(Kept(citation, reason, _end_it(citation)), InvalidInputError)
        state = self.opener.state(raw)
        if state is SealState.FORGOTTEN:
            return _Refused(Kept(citation, self._forgotten_when(raw), ""), ForgottenError, is_gone=True)
        try:
            return check_key_id(sealed_key_id(raw.payload) if state is SealState.OPEN else None)
        except InvalidInputError:
            reason = "cannot be read here: there is no key for it in the vault, so there is none to destroy"
            return _Refused(Kept(citation, reason, "bring the vault from where it was recorded"), KeyUnavailableError)

    def _forgotten_when(self, raw: Event) -> str:
        """Return when an event was forgotten, and by which event; every log is looked through."""
        for name in self.loom.sessions():
            for event in self.loom.log(name).replay():
                if event.event_type != FORGOTTEN_TYPE:
                    continue
                change = told_change(event)
                named = (change.target, *change.also)
                if any(cited is not None and cited.ref == raw.ref for cited in named):
                    return f"was forgotten on {event.recorded_at} by {event.citation}"
        return "was forgotten: its key was destroyed"


class _Gathering:
    """One plan in the making."""

    def __init__(self, planner: Planner, roots: set[EventRef]) -> None:
        self.items: list[PlannedMemory] = []
        self.kept: dict[str, Kept] = {}
        self.left_out = 0
        self._planner = planner
        self._taken = set(roots)
        """What belongs to a memory of the plan; each root is there from the beginning, so none goes with another."""
        self._chains: dict[str, dict[EventRef, list[Event]]] = {}
        self._events = 0

    def take(self, root: EventRef, *, is_named: bool) -> None:
        """Take in one memory, or note why it cannot be forgotten."""
        raw = self._planner.loom.read(root)
        if raw is None:
            raise NotFoundError(
                f"there is no sound event {root.seq} in session {root.session_id}", remedy="run: zaxy log verify"
            )
        judged = self._planner.judge(raw)
        if isinstance(judged, _Refused):
            if is_named:
                raise judged.raised()
            self._keep(judged)
        elif len(self.items) >= MAX_MEMORIES:
            self.left_out += 1
        else:
            self._add(PlannedEvent(raw, judged, MEMORY))

    def _keep(self, refused: _Refused) -> None:
        if not refused.is_gone:
            self.kept.setdefault(refused.kept.citation, refused.kept)

    def _add(self, first: PlannedEvent) -> None:
        """Add a memory with its chain, and what was made from either, in any number of steps."""
        events = [first]
        wave = deque(self._chain(first.event.ref))
        asked = 0
        while True:
            while wave:
                event, role = wave.popleft()
                planned = self._judged(event, role)
                events += [planned] if planned is not None else []
            new = [planned.event.ref for planned in events[asked:]]
            if not new:
                break
            asked = len(events)
            for raw in self._planner.derived(new):
                if raw.ref not in self._taken:
                    self._taken.add(raw.ref)
                    wave.append((raw, DERIVED))
                    wave.extend((one, DERIVED) for one, _ in self._chain(raw.ref))
        for kept in self._planner.about([planned.event.ref for planned in events]):
            self.kept.setdefault(kept.citation, kept)
        self._events += len(events)
        if self._events > MAX_EVENTS:
            raise InvalidInputError(
                f"these memories have more than {MAX_EVENTS:,} corrections and derived events",
                remedy="forget fewer at once",
            )
        self.items.append(PlannedMemory(tuple(events)))

    def _judged(self, event: Event, role: str) -> PlannedEvent | None:
        if event.event_type == ENDORSED and not is_sealed(event.payload):
            return PlannedEvent(event, "", role)
        judged = self._planner.judge(event)
        if isinstance(judged, _Refused):
            self._keep(judged)
            return None
        return PlannedEvent(event, judged, role)

    def _chain(self, root: EventRef) -> list[tuple[Event, str]]:
        """Return the corrections, proposals and endorsements of a memory that nothing else took in."""
        if root.session_id not in self._chains:
            self._chains[root.session_id] = self._planner.chains(root.session_id)
        found = [raw for raw in self._chains[root.session_id].get(root, ()) if raw.ref not in self._taken]
        self._taken.update(raw.ref for raw in found)
        return [(raw, _ROLES[raw.event_type]) for raw in found]


def _end_it(citation: str) -> str:
    return f"end it instead: zaxy invalidate {citation}"
