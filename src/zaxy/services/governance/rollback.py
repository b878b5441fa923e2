"""Taking back a change of the memory: its effect is gone from every answer, and the rollback can be rolled back too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from zaxy.clock import Clock
from zaxy.errors import ForgottenError, InvalidInputError
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.ids import EventRef, parse_citation
from zaxy.services.governance.gate import AUTHORITY, EvolutionGate, Gated, change_id, governing
from zaxy.services.governance.policy import Decision, GateDecision, Op
from zaxy.services.governance.standing import Standings, require_reason, state_of
from zaxy.vocabulary.effects import MAX_DEPTH
from zaxy.vocabulary.governed import (
    CORRECTED,
    ENDORSED,
    FORGOTTEN_TYPE,
    GATE_EVALUATED,
    PENDING,
    PROPOSED,
    REVIEWED,
    ROLLBACK_PROPOSED,
    ROLLED_BACK,
    matches,
    target_member,
    told_change,
)
from zaxy.vocabulary.model import GOVERNED_EVENT_TYPES

_MICROSECONDS: Final = 1_000_000
_LONGEST_CHAIN: Final = MAX_DEPTH - 4
_LOOK_AHEAD_EVENTS: Final = 64
"""How far behind a gate's decision the event is looked for that it let through."""

_REVERSIBLE: Final = frozenset(
    {CORRECTED, ENDORSED, ROLLED_BACK, REVIEWED, GATE_EVALUATED, "memory.invalidated", "memory.reinforcement"}
)
_VOUCHED: Final = frozenset({ENDORSED, REVIEWED})
_APPLIED: Final = frozenset({CORRECTED, ROLLED_BACK})
_REVERSIBLE_KINDS: Final = ("memory.consolidat", "memory.rule", "memory.candidate", "memory.promotion", "fleet.")
"""What the memory makes of itself; the beginnings of event types."""


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What became of a rollback.

    Attributes:
        event: The rollback; None when it waits for a review or was refused.
        proposal: What waits for a review; None when the rollback was applied.
        gate: The policy's decision.
        target: The event that is taken back, as the log holds it.
    """

    event: Event | None
    proposal: Event | None
    gate: Gated
    target: Event


class RollbackService:
    """Takes back changes of the memory.

    Args:
        loom: Where rollbacks are recorded.
        standings: Knows what was taken back before.
        gate: Decides.
        clock: What "now" is, for the rollback window.
    """

    def __init__(self, loom: Eventloom, standings: Standings, gate: EvolutionGate, clock: Clock) -> None:
        self._loom = loom
        self._standings = standings
        self._gate = gate
        self._clock = clock

    def roll_back(
        self,
        target: Event,
        *,
        reason: str,
        actor: str = "zaxy-editor",
        confidence: float = 1.0,
        origin: Origin | None = None,
    ) -> RolledBack:
        """Take a change back. On return the rollback, or the proposal of it, is on disk.

        What can be taken back: a correction, an endorsement, an invalidation, a review and what it applied, a gate's
        decision and what it let through, a rollback, and what the memory made of itself (consolidations, rules,
        candidates, fleet reviews and promotions). Later than the policy's window, anybody but a person needs a review;
        at any time where it takes back a person's rollback, or brings back an endorsement, a review, what a review
        applied, or anything untrusted.

        Args:
            target: The event that made the change, as the log holds it.
            reason: Why.
            actor: Who says so.
            confidence: How sure they are, 0 to 1; counts where they are not a person.
            origin: Where the rollback comes from.

        Raises:
            InvalidInputError: There is no reason, the event is none that can be taken back, or that was done already.
            ForgottenError: What it changed was forgotten.
            BusyError: Another change of this loom is going on.
        """
        reason = require_reason(reason)
        with governing(self._loom):
            also = self.check(target)
            origin = origin or Origin()
            decision = self._gate.decide(Op.UPDATE, confidence, origin=origin)
            gate = self._gate.record(
                self._held(self._within_window(decision, target, origin), target, also, origin),
                session_id=target.session_id,
                actor=actor,
                subject=target,
                origin=replace(origin, derives_from=()),
            )
            if gate.decision.auto_apply:
                event = self._record(target, also, reason, gate, actor=actor, origin=origin)
                return RolledBack(event, None, gate, target)
            if not gate.decision.requires_review:
                return RolledBack(None, None, gate, target)
            return RolledBack(None, self._propose(target, also, reason, gate, actor=actor, origin=origin), gate, target)

    def apply(self, proposal: Event, gate: Gated, origin: Origin) -> Event:
        """Record the rollback that a proposal asks for. The caller holds the lock and has the review.

        Raises:
            InvalidInputError: What it is about was taken back meanwhile.
        """
        target = self.proposed(proposal)
        reason, also = told_change(proposal).reason, self.check(target)
        return self._record(target, also, reason, gate, actor=proposal.actor, origin=origin, proposal=proposal)

    def proposed(self, proposal: Event) -> Event:
        """Return the event that a proposal asks to take back.

        Raises:
            InvalidInputError: The log does not hold it.
        """
        cited = told_change(proposal).target
        target = None if cited is None else self._loom.read(cited.ref)
        if cited is None or target is None or not matches(target, cited):
            raise InvalidInputError(f"{proposal.citation} proposes nothing that can be applied", remedy="reject it")
        return target

    def applied_by(self, proposal: Event) -> Event | None:
        """Return the rollback that a proposal led to and that counts, if there is one."""
        found = self._rollbacks_of(self.proposed(proposal).ref)
        return next((event for event in found if event.payload.get("proposal") == proposal.citation), None)

    # ---- what can be taken back

    def check(self, target: Event) -> list[Event]:
        """Return what else is taken back with an event, after looking whether it can be. Errors as `roll_back`."""
        _refuse_irreversible(target)
        if state_of(self._standings.reader.view(target)) == "forgotten":
            raise ForgottenError(f"{target.citation} was forgotten: there is nothing left to take back")
        self._refuse_long_chain(target)
        done = self._rollbacks_of(target.ref)
        if done:
            raise InvalidInputError(
                f"{target.citation} was rolled back already, by {done[0].citation}",
                remedy=f"to have it again: zaxy memory rollback --citation {done[0].citation} --reason '...'",
            )
        also = [event for event in self._belonging_to(target) if not self._rollbacks_of(event.ref)]
        for event in also:
            _refuse_irreversible(event, of=target)
        self._refuse_undone([target, *also])
        return also

    def _refuse_long_chain(self, target: Event) -> None:
        """Refuse a rollback that a reader would not follow to its beginning."""
        event: Event | None = target
        for _ in range(_LONGEST_CHAIN):
            cited = told_change(event).target if event is not None and event.event_type == ROLLED_BACK else None
            if cited is None:
                return
            event = self._loom.read(cited.ref)
        raise InvalidInputError(
            f"{target.citation} is the last of more than {_LONGEST_CHAIN} rollbacks of each other",
            remedy="correct the memory instead: zaxy memory edit",
        )

    def _rollbacks_of(self, ref: EventRef) -> list[Event]:
        """Return the rollbacks of an event that count."""
        by = {ending.by for ending in self._standings.endings(ref) if not ending.lifted}
        raws = [raw for one in sorted(by) if (raw := self._loom.read(one)) is not None]
        found = []
        for raw in raws:
            change = told_change(raw)
            named = [cited.ref for cited in (change.target, *change.also) if cited is not None]
            if raw.event_type == ROLLED_BACK and ref in named and not self._standings.is_void(raw.ref):
                found.append(raw)
        return found

    def _refuse_undone(self, targets: Sequence[Event]) -> None:
        """Refuse to take back an effect that something else took back: taken back twice, it could not come again."""
        taken: Counter[tuple[EventRef, int]] = Counter()
        for target in targets:
            for one in self._standings.reader.meaning(target).extraction.invalidations:
                taken[EventRef(one.session_id, one.seq), one.moment] += -1 if one.lifted else 1
        for (ref, moment), count in taken.items():
            endings = [ending for ending in self._standings.endings(ref) if ending.moment == moment]
            standing = sum(-1 if ending.lifted else 1 for ending in endings)
            lifts = [ending.by for ending in endings if ending.lifted]
            if count > 0 and standing < count and lifts:
                by = self._standings.cited(max(lifts))
                raise InvalidInputError(
                    f"what {targets[0].citation} did to {self._standings.cited(ref)} was taken back already, by {by}",
                    remedy=f"look at it: zaxy memory show {by}",
                )

    def _belonging_to(self, target: Event) -> list[Event]:
        """Return what a review applied, or what a gate's decision let through and the review of that."""
        if target.event_type == REVIEWED:
            applied = target.payload.get("applied")
            return [self._loom.resolve(parse_citation(applied))] if isinstance(applied, str) else []
        if target.event_type != GATE_EVALUATED:
            return []
        found: list[Event] = []
        cited = {target.citation}
        last = min(target.seq + _LOOK_AHEAD_EVENTS, self._loom.log(target.session_id).head().seq)
        for raw in self._loom.log(target.session_id).replay(target.seq + 1, last) if last > target.seq else ():
            if raw.event_type not in GOVERNED_EVENT_TYPES and not _is_change(raw.event_type):
                continue
            payload = self._standings.reader.open(raw).payload
            told = [payload.get(name) for name in ("gate", "applied")]
            if any(isinstance(one, str) and one in cited for one in told):
                found.append(raw)
                cited.add(raw.citation)
        return found

    def _within_window(self, decision: GateDecision, target: Event, origin: Origin) -> GateDecision:
        age_seconds = (self._clock.now() - target.recorded_moment) / _MICROSECONDS
        if _is_persons(origin) or not decision.auto_apply or age_seconds <= decision.rollback_window_seconds:
            return decision
        reason = f"update: held for review (later than {decision.rollback_window_seconds}s after the change)"
        return replace(decision, decision=Decision.REQUIRES_REVIEW, reason=reason)

    def _held(self, decision: GateDecision, target: Event, also: Sequence[Event], origin: Origin) -> GateDecision:
        """Return the decision, held for a review where it would undo by itself what a person has decided."""
        if _is_persons(origin) or not decision.auto_apply:
            return decision
        why = self._beyond_anybody([target, *also])
        reason = f"update: held for review ({why})"
        return replace(decision, decision=Decision.REQUIRES_REVIEW, reason=reason) if why else decision

    def _beyond_anybody(self, targets: Sequence[Event]) -> str:
        """Return why only a person may take these back; empty when anybody may.

        Goes by what the rollback would do in the end, however many rollbacks of rollbacks lie in between.
        """
        done = [(target.ref, False) for target in targets]
        for target in targets:
            told = self._standings.reader.meaning(target).extraction.invalidations
            done += [(EventRef(one.session_id, one.seq), not one.lifted) for one in told]
        for ref, is_restored in done:
            event = self._loom.read(ref)
            if event is None:
                continue
            if is_restored and (event.event_type in _VOUCHED or self._standings.reader.is_untrusted(event)):
                return f"it brings back {event.citation}, which needs a review"
            opened = self._standings.reader.open(event)
            if is_restored and event.event_type in _APPLIED and opened.payload.get("proposal") is not None:
                return f"it brings back {event.citation}, which was applied by a review"
            if not is_restored and event.event_type == ROLLED_BACK and _is_persons(Origin.told(event.payload)):
                return f"it takes back {event.citation}, by which a person took something back"
        return ""

    # ---- recording

    def _record(
        self,
        target: Event,
        also: Sequence[Event],
        reason: str,
        gate: Gated,
        *,
        actor: str,
        origin: Origin,
        proposal: Event | None = None,
    ) -> Event:
        payload = {"rollback_id": change_id("rollback", gate), **_members(target, also, reason, gate)}
        if proposal is not None:
            payload["proposal"] = proposal.citation
        return self._commit(ROLLED_BACK, payload, target, actor, origin)

    def _propose(
        self, target: Event, also: Sequence[Event], reason: str, gate: Gated, *, actor: str, origin: Origin
    ) -> Event:
        for waiting in self._standings.proposed_about(target, ROLLBACK_PROPOSED):
            if waiting.payload.get("reason") == reason:
                return waiting
        proposal_id = change_id("rollback", gate)
        payload = {"proposal_id": proposal_id, **_members(target, also, reason, gate), "status": PENDING}
        return self._commit(ROLLBACK_PROPOSED, payload, target, actor, origin)

    def _commit(self, event_type: str, payload: dict[str, Any], target: Event, actor: str, origin: Origin) -> Event:
        told = replace(origin, derives_from=(target.citation,))
        draft = Draft(event_type, actor, payload, origin=told)  # no key that others could take before
        return self._loom.commit(target.session_id, [draft])[0].event


def _is_persons(origin: Origin | None) -> bool:
    return origin is not None and origin.source is SourceClass.HUMAN and not origin.untrusted


def _members(target: Event, also: Sequence[Event], reason: str, gate: Gated) -> dict[str, Any]:
    return {
        "target": target_member(target),
        "reason": reason,
        "authority_status": AUTHORITY,
        "reverts": {"event_type": target.event_type, "also": [event.citation for event in also]},
        "gate": gate.event.citation,
    }


def _is_change(event_type: str) -> bool:
    return event_type in _REVERSIBLE | PROPOSED or event_type.startswith(_REVERSIBLE_KINDS)


def _refuse_irreversible(event: Event, of: Event | None = None) -> None:
    kind, citation = event.event_type, event.citation
    if _is_change(kind) and (of is not None or kind not in PROPOSED):
        return
    if kind == FORGOTTEN_TYPE:
        raise InvalidInputError(f"{citation} forgot a memory, and its key is destroyed: that cannot be taken back")
    if kind in PROPOSED:
        remedy = f"reject it: zaxy memory review --reject {citation} --reason '...'"
        raise InvalidInputError(f"{citation} only proposes a change, nothing was done yet", remedy=remedy)
    raise InvalidInputError(
        f"{citation} ({kind}) is not a change that can be taken back",
        remedy=(
            f"change what it says: zaxy memory edit --citation {citation} --editor --reason '...'"
            f", or end it: zaxy invalidate {citation}"
        ),
    )
