"""Forgetting for good: the keys of sealed memories are destroyed, and nothing derived from them is left in any store.

Order: the gate's decision; a note of what is to be done (`forgetting_work`); one ``memory.forgotten`` event for each
memory; the keys; the stores; the receipt. Whatever is interrupted behind the note is finished by the next process that
plans or forgets something; behind the event, the keys and the stores by the next one that reads anything at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from zaxy.clock import Clock, format_time
from zaxy.errors import (
    BusyError,
    IntegrityError,
    InvalidInputError,
    KeyUnavailableError,
    NotAuthorizedError,
    WriteFailedError,
    ZaxyError,
)
from zaxy.eventloom.canonical import canonical
from zaxy.eventloom.event import Event
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.origin import Origin
from zaxy.eventloom.payload import clean_payload
from zaxy.ids import EventRef
from zaxy.projections.catchup import Catchup
from zaxy.services.governance.forgetting_plan import Plan, PlannedEvent, PlannedMemory, Planner
from zaxy.services.governance.forgetting_receipt import (
    ErasedEvent,
    ForgottenMemory,
    Kept,
    Receipt,
    StoreErased,
    out_of_reach,
    sign_receipt,
)
from zaxy.services.governance.forgetting_work import ReceiptFolder, Work
from zaxy.services.governance.gate import EvolutionGate, Gated, governing
from zaxy.services.governance.policy import Op
from zaxy.services.governance.retiring import retired_by

__all__ = ["ForgettingService", "Kept", "Plan", "PlannedEvent", "PlannedMemory", "Planner", "Receipt"]

MAX_REASON_CHARACTERS: Final = 10_000

StoresWith = Callable[[Sequence[EventRef]], Sequence[StoreErased]]
"""Gives, for each store, how many of these events it took in."""


class ForgettingService:
    """Forgets memories that were recorded as forgettable. One change at a time in a loom.

    Args:
        loom: The log.
        planner: Works out what goes.
        gate: Decides, and records the decision.
        catchup: Cleans the stores.
        stores_with: Tells what the stores hold.
        state_folder: Gives the loom's state folder, outside of the loom.
        clock: What "now" is.
    """

    def __init__(
        self,
        loom: Eventloom,
        planner: Planner,
        gate: EvolutionGate,
        catchup: Catchup,
        *,
        stores_with: StoresWith,
        state_folder: Callable[[], Path],
        clock: Clock,
    ) -> None:
        self._loom = loom
        self._planner = planner
        self._gate = gate
        self._catchup = catchup
        self._stores_with = stores_with
        self._state_folder = state_folder
        self._clock = clock

    # ---- what would be forgotten

    def plan(
        self,
        *,
        targets: Sequence[Event | str] = (),
        query: str | None = None,
        actor: str | None = None,
        before: str | None = None,
        session_id: str | None = None,
    ) -> Plan:
        """Return what would be forgotten. Nothing is written, but a forgetting that was interrupted is finished first.

        A memory goes with all its corrections, also those that were replaced or only proposed, and with everything
        sealed that says it was made from it. What was made from it and is not sealed is listed.

        Args:
            targets: The memories, as events or citations; a correction stands for the memory that it corrects.
            query: Or those that this question finds: exactly the hits of a query, at most 1,000.
            actor: Or those that this actor said or did; combines with the others but not with targets.
            before: Or those that happened before this time, RFC 3339; combines likewise.
            session_id: Of what is selected, only what stands in this session.

        Raises:
            InvalidInputError: Nothing is named, or both targets and a selection are; or a target is not sealed: the
                remedy says what can be done.
            ForgottenError: A target was forgotten before; the message says when and by which event.
            KeyUnavailableError: A target has no key in the vault here.
            NotFoundError: There is no such event.
        """
        self.finish()
        selects = (query, actor, before) != (None, None, None)
        if selects == bool(targets):
            raise InvalidInputError(
                "what is to be forgotten is named or selected: one of the two",
                remedy="give citations, or a query, an actor or a time",
            )
        return self._planner.selected(query, actor, before, session_id) if selects else self._planner.named(targets)

    # ---- forgetting

    def forget(
        self,
        plan: Plan,
        *,
        reason: str,
        actor: str = "zaxy-forgetter",
        confirmed: bool,
        confidence: float = 1.0,
        origin: Origin | None = None,
        rotate: bool = False,
    ) -> Receipt:
        """Forget what a plan holds. On return the keys are gone from the disk, and so is the text from every store.

        Args:
            plan: What `plan` returned; corrections that came meanwhile go too.
            reason: Why. It stands in the log in the clear.
            actor: Who has it done.
            confirmed: That a person confirmed it at a terminal or with the admin token; no confidence stands for it.
            confidence: How sure whoever asks is, 0 to 1; recorded.
            origin: Where the request comes from.
            rotate: Whether the key-encryption key is exchanged too, which makes older copies of the vault unreadable.

        Returns:
            What was done, signed with the loom's key, and kept in the state folder under ``receipts``.

        Raises:
            InvalidInputError: The plan is empty, or the reason or the actor is.
            NotAuthorizedError: It was not confirmed; the gate's decision was recorded and nothing else.
            ForgottenError: Somebody else forgot it meanwhile; nothing was recorded.
            WriteFailedError: The log or the vault cannot be written.
            ProjectionError: The text can be read no more, but a store could not be cleaned; the next catch-up does it.
        """
        why = _checked(reason, "reason")
        by = _checked(actor, "actor")
        if not plan.items:
            raise InvalidInputError("there is nothing to forget in this plan", remedy="see why: Plan.unsealed")
        self.finish()
        with governing(self._loom):
            again = self._planner.named([memory.target for memory in plan.items])
            gated = self._allowed(again, confidence, by, origin, confirmed=confirmed)
            receipt = Receipt(
                loom_id=self._loom.ensure_identity(),
                actor=by,
                reason=why,
                gate=gated.event.citation,
                kept=again.unsealed,
                unreachable=(f"{again.unlisted:,} more events that are not sealed",) if again.unlisted else (),
            )
            work = self._decided(again, receipt, origin, rotate)
            self._folder().begin(work)
            recorded = self._recorded(work, is_new=True)
        return self._cleaned(work, recorded)

    def _allowed(self, plan: Plan, confidence: float, actor: str, origin: Origin | None, *, confirmed: bool) -> Gated:
        """Return the gate's decision, which is on disk then; refused without a confirmation."""
        first = plan.items[0].target
        gated = self._gate.evaluate(
            Op.FORGET,
            confidence,
            session_id=first.session_id,
            actor=actor,
            subject=first,
            origin=origin,
            confirmed=confirmed,
        )
        if not gated.decision.auto_apply:
            raise NotAuthorizedError(
                f"forgetting {first.citation} cannot be undone and was not confirmed",
                remedy="confirm it at a terminal: zaxy memory forget; or present the admin token",
            )
        return gated

    def finish(self) -> tuple[Receipt, ...]:
        """Finish what was decided and interrupted. Costs one look at a folder when there is nothing.

        Returns:
            The receipts of what was finished.

        Raises:
            ZaxyError: As `forget`.
        """
        if self._loom.identity() is None or not self._folder().waiting():
            return ()
        with governing(self._loom):
            recorded = [(work, self._recorded(work, is_new=False)) for work in self._folder().waiting()]
        return tuple(self._cleaned(work, receipt) for work, receipt in recorded)

    def receipts(self) -> tuple[Receipt, ...]:
        """Return every receipt that was kept here."""
        return () if self._loom.identity() is None else tuple(self._folder().receipts())

    def _folder(self) -> ReceiptFolder:
        return ReceiptFolder(self._state_folder() / "receipts")

    def _decided(self, plan: Plan, receipt: Receipt, origin: Origin | None, rotate: bool) -> Work:
        """Return all that is to be done for a plan."""
        erased = {planned.event.ref for memory in plan.items for planned in memory.events}
        memories, moments = [], {}
        for memory in plan.items:
            refs = [planned.event.ref for planned in memory.events]
            retired, moment = self._planner.ask_graph(partial(retired_by, refs=refs, erased=erased))
            forget_id = _forget_id(receipt.loom_id, memory.target)
            if moment is not None:
                moments[forget_id] = format_time(moment)
            target, *also = (
                ErasedEvent(one.event.citation, one.event.hash, one.cell_id, one.role) for one in memory.events
            )
            held = [event for ref in retired if (event := self._loom.read(ref)) is not None]
            memories.append(
                ForgottenMemory(forget_id, "", "", target, tuple(also), tuple(event.citation for event in held))
            )
        return Work(replace(receipt, memories=tuple(memories)), moments, origin, rotate)

    def _recorded(self, work: Work, *, is_new: bool) -> Receipt:
        """Append the events that say so, and destroy the keys. Can be done again; the caller holds the lock."""
        opener = self._planner.opener
        if opener.erasures is None or opener.vault is None:
            raise KeyUnavailableError("there is no vault here to destroy keys in", remedy="set XDG_STATE_HOME")
        events: dict[str, list[Event]] = {}
        try:
            opener.erasures.forget_cache()
            for session_id, drafts in work.drafts().items():
                events[session_id] = [outcome.event for outcome in self._loom.commit(session_id, drafts)]
        except (BusyError, IntegrityError, InvalidInputError, WriteFailedError):
            if is_new and not events:  # nothing of it is in the log, and nobody is to do it later unasked
                self._folder().give_up(work.receipt.receipt_id)
            raise
        receipt = work.recorded(events)
        opener.destroy(receipt.key_ids)
        return receipt

    def _cleaned(self, work: Work, receipt: Receipt) -> Receipt:
        """Clean the stores of what the log says was forgotten, and return the signed receipt. Can be done again."""
        stores = tuple(self._stores_with(work.refs))
        self._catchup.erase()
        epoch, why_not = None, ""
        vault = self._planner.opener.vault
        if work.rotate and vault is not None:
            try:
                epoch = vault.rotate().epoch
            except ZaxyError as error:  # the keys are gone; that an older copy can still be read is told, not hidden
                why_not = error.message
        done = replace(
            receipt,
            erased_at=format_time(self._clock.now()),
            stores=stores,
            rotated_epoch=epoch,
            unreachable=out_of_reach(receipt, epoch, why_not),
        )
        signed = self._signed(done)
        self._folder().end(signed)
        return signed

    def _signed(self, receipt: Receipt) -> Receipt:
        """Return a receipt with its signed note; without one where the loom's key is not here."""
        try:
            self._loom.ensure_key()
            key = self._loom.notary().state.signing_key()
        except (KeyUnavailableError, WriteFailedError):  # what is forgotten is forgotten, with or without a signature
            return receipt
        return replace(receipt, note=sign_receipt(receipt, key).encode().decode("utf-8"))


def _checked(text: object, what: str) -> str:
    """Return a text as the log will hold it."""
    if not isinstance(text, str) or not text.strip():
        raise InvalidInputError(f"the {what} of a forgetting is empty", remedy=f"say it: {what}")
    if len(text) > MAX_REASON_CHARACTERS:
        raise InvalidInputError(f"the {what} has {len(text):,} characters; the limit is {MAX_REASON_CHARACTERS:,}")
    return str(clean_payload({what: text.strip()}).value[what])


def _forget_id(loom_id: str, target: Event) -> str:
    """Return the name of the one forgetting that a memory can have, from what stays readable of it."""
    told = canonical(["zaxy-forget", loom_id, target.session_id, target.seq, target.hash])
    return f"forget:{hashlib.sha256(told).hexdigest()[:24]}"
