"""Events that change what other events say: corrections, endorsements, rollbacks, forgettings and their reviews.

What they tell is parsed here. Their payloads are compatible with those of zaxy-memory 3.x, whose targets name no
session (their own) and write hashes with or without ``sha256:``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from zaxy.clock import parse_time
from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import Event
from zaxy.eventloom.origin import Origin
from zaxy.ids import Citation, EventRef, check_session_id, parse_citation
from zaxy.vocabulary.model import EntityRef, EventClass, Extraction, Role
from zaxy.vocabulary.payloads import CIPHER_KEY, everything
from zaxy.vocabulary.statements import Statements, entity_name, joined

CORRECTED: Final = "memory.corrected"
CORRECTION_PROPOSED: Final = "memory.correction.proposed"
ENDORSED: Final = "memory.endorsed"
ROLLED_BACK: Final = "memory.rolled_back"
ROLLBACK_PROPOSED: Final = "memory.rollback.proposed"
FORGOTTEN_TYPE: Final = "memory.forgotten"
REVIEWED: Final = "memory.reviewed"
GATE_EVALUATED: Final = "evolution.gate.evaluated"

STANDS_FOR: Final = frozenset({CORRECTED, ENDORSED})
"""Event types whose events stand in the place of another one."""

PROPOSED: Final = frozenset({CORRECTION_PROPOSED, ROLLBACK_PROPOSED})

PENDING: Final = "pending"
ACCEPTED: Final = "accepted"
REJECTED: Final = "rejected"

PROPOSAL: Final = "proposal"
DERIVED_FROM: Final = "DERIVED_FROM"
EVENT: Final = "event"

MAX_CITED: Final = 10_000
"""How many events one of these may name."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a governed event tells.

    Attributes:
        target: Which event it is about; None where the payload names none.
        content: The new text of a correction.
        reason: Why.
        supersedes: Earlier corrections and endorsements of the same event that it takes the place of; of one that
            cannot be read, everything that may be such.
        also: Further events that a rollback takes back or a forgetting erases.
        retired: Events that what was forgotten had replaced; they do not come back.
        moment: When what was forgotten had happened (microseconds), None where it is not told.
    """

    target: Citation | None = None
    content: str | None = None
    reason: str = ""
    supersedes: tuple[Citation, ...] = ()
    also: tuple[Citation, ...] = ()
    retired: tuple[Citation, ...] = ()
    moment: int | None = None


def told_change(event: Event) -> Change:
    """Return what a governed event tells. Never raises.

    A correction that cannot be read any more still tells what it took the place of: its origin stays readable, and
    lists the event it corrects, then the corrections before it, then what its new text was made from.

    Args:
        event: The event, its payload opened if it is sealed.
    """
    payload = event.payload
    if CIPHER_KEY in payload:
        origin = Origin.told(payload)
        cited = _citations(list(origin.derives_from) if origin else [], event.session_id)
        return Change(target=cited[0] if cited else None, supersedes=cited[1:])
    reverts = payload.get("reverts")
    also = payload.get("also")
    if also is None and isinstance(reverts, Mapping):
        also = reverts.get("also")
    content, reason = payload.get("content"), payload.get("reason")
    return Change(
        target=_cited(payload.get("target"), event.session_id),
        content=content if isinstance(content, str) else None,
        reason=reason if isinstance(reason, str) else "",
        supersedes=_citations(payload.get("supersedes"), event.session_id),
        also=_citations(also, event.session_id),
        retired=_citations(payload.get("retired"), event.session_id),
        moment=_moment(payload.get("moment")),
    )


def target_member(event: Event) -> dict[str, Any]:
    """Return how an event is named as the target of another one: ``{"session_id", "seq", "hash"}``."""
    return {"session_id": event.session_id, "seq": event.seq, "hash": event.hash.removeprefix("sha256:")}


def event_entity(ref: EventRef) -> EntityRef:
    """Return the entity that stands for an event in the graph.

    Keys fold case, so the events of two sessions whose ids differ in case only share one: whoever follows a
    ``DERIVED_FROM`` looks at the origin of the event that it finds.
    """
    return EntityRef(EVENT, entity_name(f"{ref.session_id}/{ref.seq}"))


def proposed(event: Event) -> Extraction:
    """Return what a proposal means: that it waits for a review."""
    return _standing(event, event.payload.get("proposal_id"), PENDING)


def reviewed(event: Event) -> Extraction:
    """Return what a review means: the proposal that it names is accepted or rejected."""
    decision = event.payload.get("decision")
    told = decision if decision in (ACCEPTED, REJECTED) else ""
    return _standing(event, event.payload.get("proposal_id") if told else None, told)


def _standing(event: Event, proposal_id: object, status: str) -> Extraction:
    statements = Statements()
    if isinstance(proposal_id, str) and proposal_id:
        statements.fact(PROPOSAL, proposal_id, status=status)
    entities = tuple(stated for stated in statements.extraction("").entities if stated.role is Role.FACT)
    return Extraction(joined(other=everything(event.payload)), EventClass.HOUSEKEEPING, entities=entities)


def matches(event: Event, cited: Citation) -> bool:
    """Return whether an event has the hash that a citation tells; one that tells none fits any."""
    return event.hash.removeprefix("sha256:").startswith(cited.hash_prefix)


def _cited(told: object, session_id: str) -> Citation | None:
    try:
        if isinstance(told, str):
            return parse_citation(told)
        if not isinstance(told, Mapping):
            return None
        session, seq, digest = told.get("session_id", session_id), told.get("seq"), told.get("hash", "")
        if type(seq) is not int or seq < 1 or not isinstance(digest, str):
            return None
        return Citation(check_session_id(session), seq, digest.removeprefix("sha256:").lower())
    except InvalidInputError:
        return None


def _citations(told: object, session_id: str) -> tuple[Citation, ...]:
    if not isinstance(told, list | tuple):
        return ()
    found = (_cited(one, session_id) for one in told[:MAX_CITED])
    return tuple(dict.fromkeys(cited for cited in found if cited is not None))


def _moment(told: object) -> int | None:
    try:
        return parse_time(told) if isinstance(told, str) else None
    except InvalidInputError:
        return None
