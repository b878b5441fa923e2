"""What stands for a memory now: which corrections of it are in force, and what ended it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from zaxy.clock import FOREVER
from zaxy.errors import ForgottenError, InvalidInputError, KeyUnavailableError
from zaxy.eventloom.event import Event
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import EventRef, cite
from zaxy.projections.graph.timeline import current
from zaxy.projections.protocols import Ending, GraphReader
from zaxy.projections.selection import Selection, ended_from
from zaxy.vocabulary.governed import (
    DERIVED_FROM,
    PROPOSAL,
    PROPOSED,
    REVIEWED,
    STANDS_FOR,
    event_entity,
    matches,
    told_change,
)
from zaxy.vocabulary.model import VOID, EntityRef
from zaxy.vocabulary.payloads import VIEW_KEY
from zaxy.vocabulary.reading import EventReader

AskGraph = Callable[[Callable[[GraphReader], Any]], Any]
"""Asks the graph, brought up to the end of the log first."""

MAX_EARLIER: Final = 500
"""How many earlier corrections of one memory a new one names: those before were ended by them many times over."""

_TELLING: Final = PROPOSED | {REVIEWED}
_SEALED: Final = "sealed"
_FORGOTTEN: Final = "forgotten"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a memory stands.

    Attributes:
        root: The event that the memory began with, as the log holds it.
        in_force: The corrections and endorsements that stand in its place, newest first, as the log holds them.
        earlier: The newest 500 that there ever were, newest first: a new one takes the place of these too, so that none
            of them can come to stand beside it when a rollback is rolled back.
        present: What speaks for it now, as it is meant: the newest of them, else the event itself.
        ended_by: What ended that; None while it counts.
        changed_by: Everything that ever ended the first event or took that back.
    """

    root: Event
    in_force: tuple[Event, ...]
    earlier: tuple[Event, ...]
    present: Event
    ended_by: EventRef | None
    changed_by: tuple[EventRef, ...]


class Standings:
    """Looks up how memories stand.

    Args:
        loom: The log.
        reader: Gives events as they are meant.
        ask_graph: Knows what ended what.
    """

    def __init__(self, loom: Eventloom, reader: EventReader, ask_graph: AskGraph) -> None:
        self.loom = loom
        self.reader = reader
        self.ask_graph = ask_graph

    def of(self, event: Event) -> Standing:
        """Return how the memory stands that an event belongs to.

        Args:
            event: Any event of it, as the log holds it.
        """
        root = event
        if event.event_type in STANDS_FOR:
            root = self.loom.read(self.reader.root(event)) or event
        earlier, endings, changed_by = self.ask_graph(lambda graph: self._look(graph, root))
        in_force = [one for one in earlier if ended_from([given.mark for given in endings[one.ref]], FOREVER) != VOID]
        speaker = in_force[0] if in_force else root
        ended_by = _ended_by(endings[speaker.ref])
        present = self.reader.view(speaker)
        return Standing(root, tuple(in_force), tuple(earlier), present, ended_by, tuple(changed_by))

    def _look(
        self, graph: GraphReader, root: Event
    ) -> tuple[list[Event], dict[EventRef, Sequence[Ending]], list[EventRef]]:
        changed_by = sorted({ending.by for ending in graph.endings(root.ref)})
        raws = self.loom.read_many(changed_by)
        earlier = [raw for raw in raws.values() if raw.event_type in STANDS_FOR and self.reader.root(raw) == root.ref]
        earlier.sort(key=lambda one: one.seq, reverse=True)
        del earlier[MAX_EARLIER:]
        return earlier, {one.ref: graph.endings(one.ref) for one in (root, *earlier)}, changed_by

    def endings(self, ref: EventRef) -> list[Ending]:
        """Return everything that ended an event or took that back."""
        return list(self.ask_graph(lambda graph: graph.endings(ref)))

    def is_void(self, ref: EventRef) -> bool:
        """Return whether an event counts as never said."""
        return ended_from([ending.mark for ending in self.endings(ref)], FOREVER) == VOID

    def is_ended(self, ref: EventRef) -> bool:
        """Return whether an event does not count, or will not from some time on."""
        return ended_from([ending.mark for ending in self.endings(ref)], FOREVER) != FOREVER

    def status_of(self, proposal_id: str) -> Event | None:
        """Return the event that says how a proposal stands: itself, or its review; None where none counts."""
        key = EntityRef(PROPOSAL, proposal_id).key

        def latest(graph: GraphReader) -> Event | None:
            held = {one.ref: self.loom.read(one.ref) for one in graph.statements(key)}
            telling = {ref: event for ref, event in held.items() if event is not None and event.event_type in _TELLING}
            statements = [one for one in graph.statements(key) if one.ref in telling]
            now = current(statements, graph.endings, Selection(now=FOREVER - 1))
            return None if now is None else telling[now.ref]

        found: Event | None = self.ask_graph(latest)
        return found

    def proposed_about(self, event: Event, event_type: str) -> list[Event]:
        """Return the proposals that were made about an event and still wait, as the log holds them, oldest first.

        Args:
            event: What they would change.
            event_type: Which kind of them.
        """
        key = event_entity(event.ref).key

        def made(graph: GraphReader) -> set[EventRef]:
            told = [one for one in graph.relations(key) if one.relation == DERIVED_FROM and one.target == key]
            return {statement.ref for relation in told for statement in relation.statements}

        raws = [raw for ref in sorted(self.ask_graph(made)) if (raw := self.loom.read(ref)) is not None]
        return [raw for raw in raws if raw.event_type == event_type and self._waits(raw, event)]

    def _waits(self, raw: Event, about: Event) -> bool:
        opened = self.reader.open(raw)
        target, proposal_id = told_change(opened).target, opened.payload.get("proposal_id")
        if target is None or target.ref != about.ref or not matches(about, target) or not isinstance(proposal_id, str):
            return False
        status = self.status_of(proposal_id)
        return status is not None and status.ref == raw.ref and not self.is_ended(raw.ref)

    def cited(self, ref: EventRef) -> str:
        """Return the citation of the event at a place."""
        event = self.loom.read(ref)
        return cite(ref.session_id, ref.seq, "") if event is None else event.citation

    def require_text(self, standing: Standing) -> None:
        """Refuse a memory that cannot be changed, because it cannot be read or no longer counts.

        Raises:
            ForgottenError: It was forgotten.
            KeyUnavailableError: It is sealed, and there is no key for it here.
            InvalidInputError: It was ended; what ended it has to be rolled back first, if that can be done.
        """
        state, citation = state_of(standing.present), standing.present.citation
        if state == _FORGOTTEN:
            raise ForgottenError(f"{citation} was forgotten: there is nothing left to change")
        if state == _SEALED:
            raise KeyUnavailableError(
                f"{citation} is sealed and its key is not here", remedy="bring the vault from where it was recorded"
            )
        if standing.ended_by is not None:
            by = self.cited(standing.ended_by)
            ending = self.reader.read(standing.ended_by)
            if ending is not None and state_of(ending) == _FORGOTTEN:
                raise InvalidInputError(
                    f"{citation} was corrected by {by}, which was forgotten: neither text counts any more",
                    remedy="record what holds now as a memory of its own",
                )
            raise InvalidInputError(
                f"{citation} no longer counts since {by}, and new words must not bring it back",
                remedy=f"take that back first: zaxy memory rollback --citation {by} --reason '...'",
            )


def state_of(view: Event) -> str:
    """Return ``corrected``, ``endorsed``, ``forgotten``, ``sealed``, or nothing for an event that is as it was said."""
    told = view.payload.get(VIEW_KEY)
    return str(told.get("state", "")) if isinstance(told, dict) else ""


def require_reason(reason: str) -> str:
    """Return why something is changed.

    Raises:
        InvalidInputError: Nothing is said.
    """
    if not isinstance(reason, str) or not reason.strip():
        raise InvalidInputError("a change of the memory needs a reason", remedy="say why, with --reason")
    return reason.strip()


def _ended_by(endings: Sequence[Ending]) -> EventRef | None:
    """Return the newest event that set the mark which counts, None when none does."""
    moment = ended_from([one.mark for one in endings], FOREVER)
    if moment == FOREVER:
        return None
    saying = [one for one in endings if one.moment == moment and not one.lifted]
    return max(saying, key=lambda one: (one.recorded_at, one.by)).by
