"""Saying that something is no longer so: a new event that ends others, nothing is overwritten."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from zaxy.clock import Clock, format_time, parse_time
from zaxy.errors import InvalidInputError, NotAuthorizedError, NotFoundError
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.origin import Origin
from zaxy.eventloom.payload import clean_payload
from zaxy.ids import EventRef, parse_citation
from zaxy.projections.graph.timeline import current
from zaxy.projections.protocols import GraphReader
from zaxy.projections.selection import Names, Selection
from zaxy.services.governance.gate import EvolutionGate, governing
from zaxy.services.governance.policy import Decision, Op
from zaxy.services.governance.standing import Standings
from zaxy.vocabulary.model import EntityRef
from zaxy.vocabulary.payloads import CIPHER_KEY


class AskGraph(Protocol):
    """Asks the graph, brought up to the end of the log first."""

    def __call__(self, question: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Invalidated:
    """What an invalidation did.

    Attributes:
        event: The sealed event that says so.
        targets: Citations of the events that it ends.
        invalid_at: From when on they no longer count, RFC 3339.
    """

    event: Event
    targets: tuple[str, ...]
    invalid_at: str


class InvalidationService:
    """Ends events, by citation or by the entity that they speak of.

    Args:
        loom: Where the ending is recorded.
        ask_graph: Finds what is currently so about an entity.
        clock: What "now" is.
        standings: Knows which corrections stand for what is ended: they end with it.
        gate: Decides.
    """

    def __init__(
        self, loom: Eventloom, ask_graph: AskGraph, clock: Clock, standings: Standings, gate: EvolutionGate
    ) -> None:
        self._loom = loom
        self._ask_graph = ask_graph
        self._clock = clock
        self._standings = standings
        self._gate = gate

    def invalidate(
        self,
        *,
        session_id: str,
        actor: str,
        citations: Sequence[str] = (),
        entity: tuple[str, str] | None = None,
        invalid_at: str | None = None,
        reason: str = "",
        origin: Origin | None = None,
        is_session_named: bool = True,
    ) -> Invalidated:
        """Record that events no longer count from a moment on. On return it is on disk and every query obeys it.

        It passes the gate as an edit does. One that the policy holds is refused: a person ends it then, or the events
        are corrected by a proposal.

        Args:
            session_id: The session that the ending is recorded in.
            actor: Who says so.
            citations: The events to end.
            entity: Or ``(type, name)`` of the entity of which the current statement ends: the one of that session, or
                where it has none, the latest of all sessions.
            invalid_at: From when on, RFC 3339, also in the future; None means now.
            reason: Why.
            origin: Where that comes from.
            is_session_named: Whether somebody asked for that session. Where nobody did, and all that ends lies in one
                session, the ending is recorded in that one: who sees only that session sees it end.

        Raises:
            InvalidInputError: Neither or both were named, or a value cannot be read.
            NotFoundError: There is no such event, or nothing is currently so about that entity.
            IntegrityError: A cited event has another hash.
            NotAuthorizedError: The policy does not let it through; the gate's decision was recorded and nothing else.
            BusyError: Another change of this loom is going on.
        """
        if bool(citations) == (entity is not None):
            raise InvalidInputError("an invalidation names either citations or one entity")
        now = self._clock.now()
        moment = now if invalid_at is None else parse_time(invalid_at, what="invalid_at")
        targets = [self._loom.resolve(parse_citation(citation)) for citation in citations]
        payload: dict[str, Any] = {"invalid_at": format_time(moment)}
        if entity is not None:
            targets = self._stated(entity, session_id, now)
            if not any(CIPHER_KEY in event.payload for event in targets):  # what is sealed is not named in the clear
                payload["entity"] = {"type": entity[0], "name": entity[1]}
        with governing(self._loom):  # a correction that came in between would not be ended with the others
            whole = self._whole(targets)
            payload["targets"] = [event.citation for event in whole]
            sessions = {event.session_id for event in whole}
            if not is_session_named and len(sessions) == 1:
                (session_id,) = sessions
            told = {**payload, "reason": reason} if reason else payload
            clean_payload(told)  # what could not be sealed is refused before the gate is asked
            gate = self._let_through(targets[0], session_id, actor, origin)
            draft = Draft("memory.invalidated", actor, {**told, "gate": gate.citation}, origin=origin)
            sealed = self._loom.commit(session_id, [draft])[0].event
        return Invalidated(sealed, tuple(payload["targets"]), payload["invalid_at"])

    def _let_through(self, subject: Event, session_id: str, actor: str, origin: Origin | None) -> Event:
        """Return the gate's decision to let it through, which is on disk then; refused where it would wait."""
        decision = self._gate.decide(Op.UPDATE, 1.0, origin=origin)
        why = decision.reason
        if not decision.auto_apply:
            decision = replace(decision, decision=Decision.REFUSED, reason=f"{why}; an invalidation does not wait")
        gate = self._gate.record(decision, session_id=session_id, actor=actor, subject=subject, origin=origin)
        if not decision.auto_apply:
            raise NotAuthorizedError(
                f"ending {subject.citation} was not let through: {why}",
                remedy=f"let a person do it: zaxy invalidate {subject.citation}; or change EVOLUTION_OP_AUTONOMY",
            )
        return gate.event

    def _whole(self, targets: Sequence[Event]) -> list[Event]:
        """Return events with all that stands for them, so that neither other words nor the first ones come back."""
        found = {event.ref: event for event in targets}
        for event in targets:
            standing = self._standings.of(event)
            found |= {one.ref: one for one in (standing.root, *standing.in_force)}
        return list(found.values())

    def _stated(self, entity: tuple[str, str], session_id: str, now: int) -> list[Event]:
        entity_type, name = entity
        if not entity_type.strip() or not name.strip():
            raise InvalidInputError("an entity has a type and a name, such as goal and 'Ship the parser'")
        key = EntityRef(entity_type.strip(), name.strip()).key

        def holding(graph: GraphReader) -> list[EventRef]:
            for sessions in (Names(frozenset({session_id})), None):  # another session's word only where this has none
                statement = current(graph.statements(key), graph.endings, Selection(sessions=sessions, now=now))
                if statement is not None:
                    return [statement.ref]
            return []

        events = [event for ref in self._ask_graph(holding) if (event := self._loom.read(ref)) is not None]
        if not events:
            raise NotFoundError(
                f"nothing is currently so about the {entity_type} {name!r}",
                remedy=f"look for it: zaxy query {shlex.quote(name)}",
            )
        return events
