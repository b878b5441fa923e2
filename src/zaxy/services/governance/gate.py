"""The gate: every change of the memory by itself asks the policy here first, and the answer is an event of its own."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Final

from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.eventloom.vault.erasures import governance_lock
from zaxy.files.lock import locked
from zaxy.services.governance.policy import Decision, EvolutionPolicy, GateDecision, Op
from zaxy.vocabulary.governed import GATE_EVALUATED

AUTHORITY: Final = "non_authoritative"
"""What every governed event says of itself: evidence of a decision, not a fact about the world."""

_ID_DIGITS: Final = 24
_LOCK_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Gated:
    """A decision and the event that records it."""

    decision: GateDecision
    event: Event


def governing(loom: Eventloom) -> AbstractContextManager[None]:
    """Hold the lock under which one change at a time reads the state of a loom and records its events.

    Raises:
        BusyError: Another process held it for 30 seconds.
    """
    return locked(governance_lock(loom.path), timeout_seconds=_LOCK_SECONDS)


def change_id(kind: str, gate: Gated) -> str:
    """Return the id of the one change that a decision let through or held: ``<kind>:<24 hex>``.

    It is made from the decision's hash alone: nobody knows it before, and it tells nothing of a text that is sealed.
    """
    return f"{kind}:{gate.event.hash.removeprefix('sha256:')[:_ID_DIGITS]}"


class EvolutionGate:
    """Decides about changes and records each decision.

    Args:
        loom: Where decisions are recorded.
        policy: What decides.
    """

    def __init__(self, loom: Eventloom, policy: EvolutionPolicy) -> None:
        self._loom = loom
        self.policy = policy

    def decide(
        self, op: Op | str, confidence: float, *, origin: Origin | None = None, confirmed: bool = False
    ) -> GateDecision:
        """Return what becomes of an operation; nothing is recorded.

        A person's own change is its own review and goes through whatever the tier. What comes from an untrusted source
        waits for a review whatever its confidence. An irreversible operation goes through only when it was confirmed.

        Args:
            op: The operation.
            confidence: How sure whoever asks is, 0 to 1.
            origin: Who asks.
            confirmed: Whether a person confirmed it at a terminal or with the admin token.

        Raises:
            InvalidInputError: There is no such operation, or the confidence is not between 0 and 1.
        """
        told = self.policy.evaluate(op, confidence)
        if told.op is Op.FORGET:
            if confirmed:
                reason = "forget: confirmed; it cannot be rolled back"
                told = replace(told, decision=Decision.AUTO_APPLY, reason=reason, rollback_window_seconds=0)
            return told
        if origin is not None and origin.untrusted:
            reason = f"{told.op.value}: held for review (the source is untrusted)"
            return replace(told, decision=Decision.REQUIRES_REVIEW, reason=reason)
        if confirmed or (origin is not None and origin.source is SourceClass.HUMAN):
            reason = f"{told.op.value}: applied by a person, whose own change is its own review"
            return replace(told, decision=Decision.AUTO_APPLY, reason=reason)
        return told

    def evaluate(
        self,
        op: Op | str,
        confidence: float,
        *,
        session_id: str,
        actor: str,
        subject: Event | None,
        origin: Origin | None = None,
        confirmed: bool = False,
    ) -> Gated:
        """Decide about an operation, and record the decision. On return it is on disk.

        Args:
            op: The operation.
            confidence: How sure whoever asks is, 0 to 1.
            session_id: The session that the decision is recorded in.
            actor: Who asks.
            subject: The event that the operation is about.
            origin: Where the request comes from.
            confirmed: Whether a person confirmed it at a terminal or with the admin token.

        Raises:
            InvalidInputError: There is no such operation, or the confidence is not between 0 and 1.
        """
        decision = self.decide(op, confidence, origin=origin, confirmed=confirmed)
        return self.record(decision, session_id=session_id, actor=actor, subject=subject, origin=origin)

    def record(
        self,
        decision: GateDecision,
        *,
        session_id: str,
        actor: str,
        subject: Event | None,
        origin: Origin | None = None,
    ) -> Gated:
        """Record a decision that was taken elsewhere by rules of its own. On return it is on disk."""
        payload: dict[str, Any] = {**decision.as_json(), "authority_status": AUTHORITY}
        if subject is not None:
            payload["candidate_ref"] = {"seq": subject.seq, "hash": subject.hash.removeprefix("sha256:")}
            if subject.session_id != session_id:
                payload["candidate_ref"]["session_id"] = subject.session_id
        draft = Draft(GATE_EVALUATED, actor, payload, origin=origin)
        return Gated(decision, self._loom.commit(session_id, [draft])[0].event)
