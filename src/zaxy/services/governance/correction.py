"""Correcting a memory: a new event says what holds instead, and every answer goes by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import RESERVED_PREFIX, Draft, Event
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.ids import parse_citation
from zaxy.services.governance.gate import AUTHORITY, EvolutionGate, Gated, change_id, governing
from zaxy.services.governance.policy import GateDecision, Op
from zaxy.services.governance.standing import Standing, Standings, require_reason
from zaxy.vocabulary.governed import (
    CORRECTED,
    CORRECTION_PROPOSED,
    GATE_EVALUATED,
    PENDING,
    PROPOSED,
    Change,
    target_member,
    told_change,
)
from zaxy.vocabulary.model import EventClass
from zaxy.vocabulary.payloads import CIPHER_KEY
from zaxy.vocabulary.registry import event_class
from zaxy.vocabulary.wording import replaced, said

INSTEAD_OF: Final = "instead_of"
"""Member of a proposal that cites what spoke for the memory when it was made."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """What became of an edit.

    Attributes:
        event: The correction; None when it waits for a review or was refused.
        proposal: What waits for a review; None when the edit was applied.
        gate: The policy's decision.
        target: The event that is corrected, as the log holds it: the one that the memory began with.
    """

    event: Event | None
    proposal: Event | None
    gate: Gated
    target: Event


class CorrectionService:
    """Corrects memories.

    Args:
        loom: Where corrections are recorded.
        standings: Knows what stands for a memory now.
        gate: Decides.
    """

    def __init__(self, loom: Eventloom, standings: Standings, gate: EvolutionGate) -> None:
        self._loom = loom
        self._standings = standings
        self._gate = gate

    def edit(
        self,
        target: Event,
        new_content: str,
        *,
        reason: str,
        actor: str = "zaxy-editor",
        confidence: float = 1.0,
        origin: Origin | None = None,
    ) -> Corrected:
        """Correct what a memory says. On return the correction, or the proposal of it, is on disk.

        Any event of the memory may be named: the correction is about the event that it began with, and takes the place
        of the corrections in force. The same edit made twice gives the same event.

        Args:
            target: Any event of the memory, as the log holds it.
            new_content: What it says from now on.
            reason: Why.
            actor: Who says so.
            confidence: How sure they are, 0 to 1; counts where the editor is not a person.
            origin: Where the edit comes from. The correction goes along when what its text was made from is forgotten,
                and unless a person made it, it waits for a review when that is untrusted.

        Raises:
            InvalidInputError: The text is empty or what the memory says already, there is no reason, the event is the
                memory's own bookkeeping, or it no longer counts.
            ForgottenError: The memory was forgotten.
            KeyUnavailableError: It is sealed, and there is no key for it here.
            NotFoundError: There is no event that it says it was made from.
            BusyError: Another change of this loom is going on.
        """
        reason = require_reason(reason)
        if not isinstance(new_content, str) or not new_content.strip():
            raise InvalidInputError(
                "the new text is empty: a correction says what holds instead",
                remedy=f"to take it back: zaxy invalidate {target.citation}",
            )
        with governing(self._loom):
            standing = self._standings.of(target)
            _refuse_bookkeeping(standing.root)
            self._standings.require_text(standing)
            content = self._content(standing, new_content)
            if content is None:
                return self._same_again(standing, reason, actor)
            origin = self._own(standing, origin or Origin())
            gate = self._gate.evaluate(
                Op.UPDATE,
                confidence,
                session_id=standing.root.session_id,
                actor=actor,
                subject=standing.root,
                origin=self._bare(origin),
            )
            told = {"content": content, "reason": reason}
            if gate.decision.auto_apply:
                event = self._record(standing, told, gate, actor=actor, origin=origin)
                return Corrected(event, None, gate, standing.root)
            if not gate.decision.requires_review:
                return Corrected(None, None, gate, standing.root)
            return Corrected(None, self._propose(standing, told, gate, actor, origin), gate, standing.root)

    def apply(self, proposal: Event, gate: Gated, origin: Origin) -> Event:
        """Record the correction that a proposal asks for. The caller holds the lock and has the review.

        Args:
            proposal: As the log holds it.
            gate: The decision that lets it through.
            origin: Who accepted it.

        Raises:
            InvalidInputError: The memory is no longer as it was when this was proposed.
            ForgottenError: It was forgotten meanwhile.
            KeyUnavailableError: It is sealed, and there is no key for it here.
        """
        standing, change = self.proposed(proposal)
        asked = Origin.told(proposal.payload) or Origin()
        origin = self._own(standing, replace(origin, derives_from=(*asked.derives_from, *origin.derives_from)))
        told = {"content": change.content or "", "reason": change.reason, "proposal": proposal.citation}
        return self._record(standing, told, gate, actor=proposal.actor, origin=origin)

    def proposed(self, proposal: Event) -> tuple[Standing, Change]:
        """Return how the memory stands that a proposal is about, and what it asks for; it still fits. As `apply`."""
        opened = self._standings.reader.open(proposal)
        change = told_change(opened)
        root = None if change.target is None else self._loom.read(change.target.ref)
        if root is None or change.content is None:
            raise InvalidInputError(f"{proposal.citation} proposes nothing that can be applied", remedy="reject it")
        standing = self._standings.of(root)
        self._standings.require_text(standing)
        if standing.present.citation != opened.payload.get(INSTEAD_OF):
            now = standing.in_force[0].citation if standing.in_force else "the first text"
            raise InvalidInputError(
                f"the memory of {proposal.citation} was changed since it was proposed: {now} is in force now",
                remedy="reject it, and propose it again if it is still wanted",
            )
        return standing, change

    def applied_by(self, proposal: Event) -> Event | None:
        """Return the correction in force that a proposal led to, if there is one."""
        change = told_change(self._standings.reader.open(proposal))
        root = None if change.target is None else self._loom.read(change.target.ref)
        for event in () if root is None else self._standings.of(root).in_force:
            if self._standings.reader.open(event).payload.get("proposal") == proposal.citation:
                return event
        return None

    def _content(self, standing: Standing, text: str) -> str | None:
        """Return the text that gives the wanted payload when it is put into the first event's; None: no change.

        A text that replaces only some members of a corrected memory is written out in full, so that the other members
        keep what earlier corrections said.
        """
        first = _spoken(self._standings.reader.view(standing.root))
        now = _spoken(standing.present)
        wanted = replaced(now, text)
        if wanted == now or said(standing.present).strip() == text.strip():
            return None
        if replaced(first, text) == wanted:
            return text
        whole = said(replace(standing.present, payload=wanted))
        return whole if replaced(first, whole) == wanted else text

    def _same_again(self, standing: Standing, reason: str, actor: str) -> Corrected:
        """Return the correction in force when this very edit made it."""
        newest = standing.in_force[0] if standing.in_force else None
        if newest is not None and newest.event_type == CORRECTED and newest.actor == actor:
            payload = self._standings.reader.open(newest).payload
            gate = self._gate_of(payload.get("gate"))
            if payload.get("reason") == reason and gate is not None:
                return Corrected(newest, None, gate, standing.root)
        raise InvalidInputError(f"{standing.present.citation} says that already; nothing was written")

    def _gate_of(self, citation: object) -> Gated | None:
        event = self._loom.resolve(parse_citation(citation)) if isinstance(citation, str) else None
        if event is None or event.event_type != GATE_EVALUATED:
            return None
        return Gated(GateDecision.told(event.payload), event)

    def _record(self, standing: Standing, told: Mapping[str, str], gate: Gated, *, actor: str, origin: Origin) -> Event:
        payload = {"correction_id": change_id("correction", gate), **self._members(standing, told, gate)}
        return self._commit(standing, CORRECTED, actor, payload, origin)

    def _propose(self, standing: Standing, told: Mapping[str, str], gate: Gated, actor: str, origin: Origin) -> Event:
        wanted = {**told, INSTEAD_OF: standing.present.citation}
        for waiting in self._standings.proposed_about(standing.root, CORRECTION_PROPOSED):
            said_there = self._standings.reader.open(waiting).payload
            if wanted.items() <= said_there.items():
                return waiting
        members = {**self._members(standing, told, gate), INSTEAD_OF: standing.present.citation}
        payload = {"proposal_id": change_id("correction", gate), **members, "status": PENDING}
        return self._commit(standing, CORRECTION_PROPOSED, actor, payload, origin)

    def _members(self, standing: Standing, told: Mapping[str, str], gate: Gated) -> dict[str, Any]:
        return {
            "target": target_member(standing.root),
            **told,
            "authority_status": AUTHORITY,
            "supersedes": [event.citation for event in standing.earlier],
            "gate": gate.event.citation,
        }

    def _commit(
        self, standing: Standing, event_type: str, actor: str, payload: dict[str, Any], origin: Origin
    ) -> Event:
        """Record it as forgettable as what it is about and made from: a correction repeats most of the text.

        Its origin lists both, the first of them first: a correction that cannot be opened is known by that.
        """
        chain = (standing.root, *standing.earlier)
        derives = (*(event.citation for event in chain), *origin.derives_from)
        sealed = any(CIPHER_KEY in event.payload for event in (*chain, *self._sources(origin)))
        told = replace(origin, derives_from=derives)
        draft = Draft(event_type, actor, payload, origin=told, forgettable=sealed)  # no key that others could take
        return self._loom.commit(standing.root.session_id, [draft])[0].event

    def _own(self, standing: Standing, origin: Origin) -> Origin:
        """Return an origin that names nothing of the memory itself, each other source once."""
        is_of = self._standings.reader.root
        cited = (source.citation for source in self._sources(origin) if is_of(source) != standing.root.ref)
        return replace(origin, derives_from=tuple(dict.fromkeys(cited)))

    def _bare(self, origin: Origin) -> Origin:
        """Return what the gate goes by: an untrusted source speaks through whoever repeats it, but for a person."""
        is_person = origin.source is SourceClass.HUMAN
        tainted = not is_person and any(self._standings.reader.is_untrusted(one) for one in self._sources(origin))
        return replace(origin, derives_from=(), untrusted=origin.untrusted or tainted)

    def _sources(self, origin: Origin) -> list[Event]:
        return [self._loom.resolve(parse_citation(citation)) for citation in origin.derives_from]


def _spoken(view: Event) -> dict[str, Any]:
    return {
        name: value
        for name, value in view.payload.items()
        if not name.startswith(RESERVED_PREFIX) and name != "occurred_at"
    }


def _refuse_bookkeeping(root: Event) -> None:
    if event_class(root.event_type) is not EventClass.HOUSEKEEPING:
        return
    instead = f"take it back: zaxy memory rollback --citation {root.citation} --reason '...'"
    if root.event_type in PROPOSED:
        instead = f"decide about it: zaxy memory review --accept {root.citation} --reason '...', or with --reject"
    raise InvalidInputError(
        f"{root.citation} is the memory's own bookkeeping ({root.event_type}), not a memory that can be edited",
        remedy=instead,
    )
