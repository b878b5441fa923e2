"""What waits for a person: proposed corrections and rollbacks, and memories that nobody vouches for yet."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from zaxy.errors import InvalidInputError, NotAuthorizedError, ZaxyError
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.ids import Citation, check_session_id, parse_citation
from zaxy.projections.protocols import Entity, GraphReader
from zaxy.services.governance.correction import CorrectionService
from zaxy.services.governance.gate import AUTHORITY, EvolutionGate, Gated, change_id, governing
from zaxy.services.governance.policy import Decision, Op
from zaxy.services.governance.rollback import RollbackService
from zaxy.services.governance.standing import Standings, require_reason
from zaxy.services.governance.targets import find_target
from zaxy.vocabulary.governed import (
    ACCEPTED,
    CORRECTION_PROPOSED,
    ENDORSED,
    PROPOSAL,
    PROPOSED,
    REJECTED,
    REVIEWED,
    target_member,
    told_change,
)
from zaxy.vocabulary.wording import said

_MAX_WAITING: Final = 10_000
_MAX_DIFF_LINES: Final = 200
_ID_DIGITS: Final = 24
_VOUCHING: Final = frozenset({SourceClass.HUMAN, SourceClass.AGENT})


@dataclass(frozen=True, slots=True)
class Waiting:
    """A proposal that waits for a review.

    Attributes:
        citation: The proposal's.
        kind: ``correction`` or ``rollback``.
        session_id: Where it stands.
        actor: Who proposes it.
        recorded_at: Since when, RFC 3339 UTC.
        target: Citation of the event that would be changed.
        reason: Why.
        gate_reason: Why it was not applied at once.
        confidence: How sure the proposer was, None where the gate's event cannot be read.
        diff: What would change: lines that begin with ``-`` or ``+``, or a sentence.
    """

    citation: str
    kind: str
    session_id: str
    actor: str
    recorded_at: str
    target: str
    reason: str
    gate_reason: str
    confidence: float | None
    diff: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What became of one review.

    Attributes:
        event: The event that records it: a ``memory.reviewed``, or a ``memory.endorsed`` of an accepted memory.
        target: Citation of what was reviewed.
        decision: ``accepted`` or ``rejected``.
        applied: The correction, rollback or endorsement that it led to; None for a rejection.
    """

    event: Event
    target: str
    decision: str
    applied: Event | None


class ReviewService:
    """Lists what waits, and decides about it.

    Args:
        loom: Where reviews are recorded.
        standings: Knows how proposals stand.
        gate: Records why something goes through.
        changes: What corrects and what rolls back.
        analyze: Turns a word into the tokens by which the graph finds it.
    """

    def __init__(
        self,
        loom: Eventloom,
        standings: Standings,
        gate: EvolutionGate,
        changes: tuple[CorrectionService, RollbackService],
        analyze: Callable[[str], Sequence[str]],
    ) -> None:
        self._loom = loom
        self._standings = standings
        self._gate = gate
        self._corrections, self._rollbacks = changes
        self._tokens = tuple(analyze(PROPOSAL))

    def waiting(self, *, session_id: str | None = None, limit: int = 100) -> tuple[Waiting, ...]:
        """Return the proposals that wait, oldest first.

        Args:
            session_id: Only those of this session; None means all.
            limit: At most so many, 1 to 10,000.

        Raises:
            InvalidInputError: The limit or the session cannot be used.
        """
        if type(limit) is not int or not 1 <= limit <= _MAX_WAITING:
            raise InvalidInputError(f"{limit!r} proposals cannot be listed", remedy=f"ask for 1 to {_MAX_WAITING:,}")
        wanted = None if session_id is None else check_session_id(session_id)
        found = [self._standings.status_of(entity.name) for entity in self._proposals()]
        events = {
            event.ref: event
            for event in found
            if event is not None and event.event_type in PROPOSED and wanted in (None, event.session_id)
        }
        ordered = sorted(events.values(), key=lambda event: (event.recorded_moment, event.session_id, event.seq))
        return tuple(self._waiting(event) for event in ordered[:limit])

    def decide(
        self, citations: Sequence[str], *, accept: bool, reason: str, actor: str, origin: Origin | None = None
    ) -> tuple[Reviewed, ...]:
        """Accept or reject what waits. On return each review, and what it applied, is on disk.

        Accepting a proposal applies it; accepting an untrusted memory endorses it. What was decided the same way before
        is given back as it was. All of them are looked at before the first is decided.

        Args:
            citations: Proposals, or untrusted memories.
            accept: Or reject.
            reason: Why.
            actor: Who reviews.
            origin: Where the review comes from.

        Raises:
            InvalidInputError: There is no reason, nothing waits there, it was decided otherwise, or what it is about
                was changed meanwhile; the message says by what.
            NotFoundError: There is no such event.
            NotAuthorizedError: The review comes from a source that cannot vouch for anything.
            BusyError: Another change of this loom is going on.
        """
        reason, origin = require_reason(reason), origin or Origin()
        if origin.untrusted or origin.source not in _VOUCHING:
            raise NotAuthorizedError(
                f"a review by an untrusted source ({origin.source.value}) does not count", remedy="let a person review"
            )
        with governing(self._loom):
            raws = [find_target(self._loom, citation=citation) for citation in dict.fromkeys(citations)]
            review = _Review(reason, actor, origin)
            for raw in raws:
                self._check(raw, accept=accept)
            return tuple(self._accept(raw, review) if accept else self._reject(raw, review) for raw in raws)

    # ---- listing

    def _proposals(self) -> list[Entity]:
        """Return every proposal that the graph knows of; it finds them by the word, among others."""

        def look(graph: GraphReader) -> list[Entity]:
            limit = 256
            while True:
                found = [entity for token in self._tokens[:1] for entity in graph.find(token, limit)]
                if len(found) < limit:
                    return [entity for entity in found if entity.entity_type == PROPOSAL]
                limit *= 8

        entities: list[Entity] = self._standings.ask_graph(look)
        return entities

    def _waiting(self, raw: Event) -> Waiting:
        event = self._standings.reader.open(raw)
        change = told_change(event)
        gate = None
        with contextlib.suppress(InvalidInputError):  # another program may have written anything
            gate = self._loom.read(parse_citation(event.payload.get("gate", "")).ref)
        confidence = gate.payload.get("confidence") if gate is not None else None
        return Waiting(
            citation=raw.citation,
            kind="correction" if raw.event_type == CORRECTION_PROPOSED else "rollback",
            session_id=raw.session_id,
            actor=raw.actor,
            recorded_at=raw.recorded_at,
            target="" if change.target is None else self._cited(change.target),
            reason=change.reason,
            gate_reason=str(gate.payload.get("reason", "")) if gate is not None else "",
            confidence=confidence if isinstance(confidence, int | float) else None,
            diff=self._diff(raw),
        )

    def _cited(self, target: Citation) -> str:
        return self._standings.cited(target.ref)

    def _diff(self, raw: Event) -> tuple[str, ...]:
        """Return what would change, or why it no longer can."""
        try:
            if raw.event_type == CORRECTION_PROPOSED:
                standing, change = self._corrections.proposed(raw)
                before, after = said(standing.present), change.content or ""
            else:
                target = self._rollbacks.proposed(raw)
                return (f"takes back {target.event_type} {target.citation}",)
        except ZaxyError as error:
            return (f"can no longer be applied: {error.message}",)
        lines = list(difflib.unified_diff(before.split("\n"), after.split("\n"), lineterm="", n=1))[2:]
        return tuple(line for line in lines[:_MAX_DIFF_LINES] if not line.startswith("@@"))

    # ---- deciding

    def _check(self, raw: Event, *, accept: bool) -> None:
        """Refuse what cannot be decided this way."""
        if raw.event_type not in PROPOSED:
            if not self._standings.reader.is_untrusted(raw):
                raise InvalidInputError(
                    f"{raw.citation} ({raw.event_type}) waits for no review",
                    remedy="see what waits: zaxy memory review",
                )
            if accept:
                self._standings.require_text(self._standings.of(raw))
            return
        closed = self._closed(raw)
        if closed is not None and (closed.payload.get("decision") == ACCEPTED) is not accept:
            raise InvalidInputError(
                f"{raw.citation} was {closed.payload.get('decision')} already, by {closed.citation}",
                remedy=f"take that back first: zaxy memory rollback --citation {closed.citation} --reason '...'",
            )
        if self._standings.is_ended(raw.ref):
            raise InvalidInputError(f"{raw.citation} was taken back or ended, and waits no more")
        if accept and closed is None and self._applied_by(raw) is None:
            if raw.event_type == CORRECTION_PROPOSED:
                self._corrections.proposed(raw)
            else:
                self._rollbacks.check(self._rollbacks.proposed(raw))

    def _closed(self, raw: Event) -> Event | None:
        """Return the review of a proposal, None while it waits."""
        status = self._standings.status_of(str(self._standings.reader.open(raw).payload.get("proposal_id", "")))
        return status if status is not None and status.event_type == REVIEWED else None

    def _applied_by(self, raw: Event) -> Event | None:
        service = self._corrections if raw.event_type == CORRECTION_PROPOSED else self._rollbacks
        return service.applied_by(raw)

    def _accept(self, raw: Event, review: _Review) -> Reviewed:
        if raw.event_type not in PROPOSED:
            return self._endorse(raw, review)
        closed = self._closed(raw)
        if closed is not None:
            return self._again(raw, closed)
        applied = self._applied_by(raw)  # a crash may have come between it and the review
        if applied is None:
            gate = self._let_through(Op.UPDATE, raw, review)
            service = self._corrections if raw.event_type == CORRECTION_PROPOSED else self._rollbacks
            applied = service.apply(raw, gate, review.origin)
        event = self._record(raw, review, ACCEPTED, applied)
        return Reviewed(event, raw.citation, ACCEPTED, applied)

    def _reject(self, raw: Event, review: _Review) -> Reviewed:
        closed = self._closed(raw) if raw.event_type in PROPOSED else None
        if closed is not None:
            return self._again(raw, closed)
        return Reviewed(self._record(raw, review, REJECTED, None), raw.citation, REJECTED, None)

    def _again(self, raw: Event, closed: Event) -> Reviewed:
        told = closed.payload.get("applied")
        applied = self._loom.resolve(parse_citation(told)) if isinstance(told, str) else None
        return Reviewed(closed, raw.citation, str(closed.payload.get("decision")), applied)

    def _endorse(self, raw: Event, review: _Review) -> Reviewed:
        standing = self._standings.of(raw)
        speaker = standing.in_force[0] if standing.in_force else standing.root
        if not self._standings.reader.is_untrusted(speaker):
            return Reviewed(speaker, raw.citation, ACCEPTED, speaker)
        gate = self._let_through(Op.PROMOTE, speaker, review)
        payload = {
            "endorsement_id": change_id("endorsement", gate),
            "target": target_member(speaker),
            "supersedes": [event.citation for event in standing.earlier],
            "reason": review.reason,
            "authority_status": AUTHORITY,
            "gate": gate.event.citation,
        }
        event = self._commit(speaker, ENDORSED, payload, review)
        return Reviewed(event, raw.citation, ACCEPTED, event)

    def _let_through(self, op: Op, subject: Event, review: _Review) -> Gated:
        told = self._gate.decide(op, 1.0, confirmed=True)
        decision = replace(told, decision=Decision.AUTO_APPLY, reason=f"{op.value}: accepted in a review")
        origin = review.origin
        return self._gate.record(
            decision, session_id=subject.session_id, actor=review.actor, subject=subject, origin=origin
        )

    def _record(self, raw: Event, review: _Review, decision: str, applied: Event | None) -> Event:
        payload: dict[str, Any] = {"target": target_member(raw), "decision": decision, "reason": review.reason}
        proposal_id = self._standings.reader.open(raw).payload.get("proposal_id")
        if isinstance(proposal_id, str) and raw.event_type in PROPOSED:
            payload["proposal_id"] = proposal_id
        if applied is not None:
            payload["applied"] = applied.citation
        before = sorted({ending.by for ending in self._standings.endings(raw.ref)})
        last = self._loom.log(raw.session_id).head().seq
        name = hashlib.sha256(f"{raw.hash} {decision} {before} {last}".encode()).hexdigest()[:_ID_DIGITS]
        payload = {"review_id": f"review:{name}", **payload, "authority_status": AUTHORITY}
        return self._commit(raw, REVIEWED, payload, review)

    def _commit(self, about: Event, event_type: str, payload: dict[str, Any], review: _Review) -> Event:
        origin = replace(review.origin, derives_from=(about.citation,))
        draft = Draft(event_type, review.actor, payload, origin=origin)  # no key that others could take before
        return self._loom.commit(about.session_id, [draft])[0].event


@dataclass(frozen=True, slots=True)
class _Review:
    """Who decides, and why."""

    reason: str
    actor: str
    origin: Origin
