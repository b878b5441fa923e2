"""The calls of `MemoryFabric` that change what the memory says, and those that show what was changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import Event
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.memory import Memory
from zaxy.services.governance.attribution import checked_sources, user_name
from zaxy.services.governance.targets import find_target

if TYPE_CHECKING:
    from zaxy.services.governance.correction import Corrected
    from zaxy.services.governance.forgetting_plan import Plan
    from zaxy.services.governance.forgetting_receipt import Receipt
    from zaxy.services.governance.review import Reviewed, Waiting
    from zaxy.services.governance.rollback import RolledBack
    from zaxy.services.governance.showing import Shown

VIA: Final = "python"
"""How an origin names this interface."""

ResultT = TypeVar("ResultT")


class GovernedMemory:
    """The calls of `MemoryFabric` that pass the gate. It needs a ``memory``."""

    memory: Memory

    def noted(self, events: int) -> None:
        """Let the stores take in what was recorded through ``memory``, in the background.

        Args:
            events: How many events that were, about.
        """
        raise NotImplementedError  # MemoryFabric has what runs in the background; this class is only a part of it

    async def _run(self, call: Callable[..., ResultT], *arguments: Any, **named: Any) -> ResultT:
        return await asyncio.to_thread(partial(call, *arguments, **named))

    def _find(
        self, target_seq: int | None, target_hash: str | None, citation: str | None, session_id: str | None
    ) -> Event:
        return find_target(
            self.memory.loom,
            seq=target_seq,
            hash=target_hash,
            citation=citation,
            session_id=session_id,
            default_session=self.memory.settings.session_id,
        )

    def _origin(self, source: str, derives_from: Sequence[str] = (), *, untrusted: bool = False) -> Origin:
        """Return where what a caller says comes from.

        Raises:
            InvalidInputError: There is no such kind of source, or a citation cannot be read.
            NotFoundError: A cited event does not exist.
            IntegrityError: A cited event has another hash.
        """
        try:
            kind = SourceClass(source)
        except ValueError:
            known = ", ".join(SourceClass)
            raise InvalidInputError(f"{str(source)[:40]!r} is not a kind of source", remedy=f"one of {known}") from None
        if isinstance(derives_from, str):
            raise InvalidInputError("derives_from is a list of citations", remedy="put the citation into a list")
        sources = checked_sources(self.memory.loom, derives_from) if derives_from else ()
        return Origin(kind, VIA, user_name(), sources, untrusted)

    async def edit_memory(  # noqa: PLR0913 -- a public call with names, as zaxy-memory 3.x has it
        self,
        *,
        target_seq: int | None = None,
        target_hash: str | None = None,
        citation: str | None = None,
        new_content: str,
        reason: str,
        actor: str = "zaxy-editor",
        confidence: float = 1.0,
        session_id: str | None = None,
        source: str = "agent",
        derives_from: Sequence[str] = (),
    ) -> Corrected:
        """Correct what a memory says. On return the correction, or the proposal of it, is on disk.

        The event stays as it was sealed; from now on every answer shows the new text, citing both.

        Args:
            target_seq: Its number, with ``session_id`` or ``target_hash``.
            target_hash: Its hash, or at least its first 12 digits; it is compared.
            citation: Or its citation.
            new_content: What it says from now on.
            reason: Why.
            actor: Who says so.
            confidence: How sure they are, 0 to 1; the policy goes by it where the source is not a person.
            session_id: The session of ``target_seq``; None means the default one where the hash is told.
            source: ``human`` or ``agent``: a person's own edit is its own review.
            derives_from: Citations of other events that the new text was made from: it is forgotten with them.

        Raises:
            NotFoundError: There is no such event.
            IntegrityError: It has another hash.
            ZaxyError: As `CorrectionService.edit`.
        """

        def edit() -> Corrected:
            target = self._find(target_seq, target_hash, citation, session_id)
            return self.memory.corrections.edit(
                target,
                new_content,
                reason=reason,
                actor=actor,
                confidence=confidence,
                origin=self._origin(source, derives_from),
            )

        done = await self._run(edit)
        self.noted(2)
        return done

    async def rollback_memory(
        self,
        *,
        target_seq: int | None = None,
        target_hash: str | None = None,
        citation: str | None = None,
        reason: str,
        actor: str = "zaxy-editor",
        confidence: float = 1.0,
        session_id: str | None = None,
        source: str = "agent",
    ) -> RolledBack:
        """Take a change of the memory back. On return the rollback, or the proposal of it, is on disk.

        Both events stay; the effect of the change is gone from every answer at once. A rollback can be rolled back.

        Args:
            target_seq: The number of the event that made the change, with ``session_id`` or ``target_hash``.
            target_hash: Its hash, or at least its first 12 digits; it is compared.
            citation: Or its citation.
            reason: Why.
            actor: Who says so.
            confidence: How sure they are, 0 to 1; the policy goes by it where the source is not a person.
            session_id: The session of ``target_seq``; None means the default one where the hash is told.
            source: ``human`` or ``agent``.

        Raises:
            NotFoundError: There is no such event.
            IntegrityError: It has another hash.
            ZaxyError: As `RollbackService.roll_back`.
        """

        def roll_back() -> RolledBack:
            target = self._find(target_seq, target_hash, citation, session_id)
            return self.memory.rollbacks.roll_back(
                target, reason=reason, actor=actor, confidence=confidence, origin=self._origin(source)
            )

        done = await self._run(roll_back)
        self.noted(2)
        return done

    async def review(self, *, session_id: str | None = None, limit: int = 100) -> tuple[Waiting, ...]:
        """Return the proposed corrections and rollbacks that wait for a review, oldest first.

        Args:
            session_id: Only those of this session; None means all.
            limit: At most so many.

        Raises:
            InvalidInputError: The limit or the session cannot be used.
        """
        return await self._run(self.memory.reviews.waiting, session_id=session_id, limit=limit)

    async def decide(
        self,
        citations: Sequence[str],
        *,
        accept: bool,
        reason: str,
        actor: str = "zaxy-reviewer",
        source: str = "human",
    ) -> tuple[Reviewed, ...]:
        """Accept or reject what waits for a review, or vouch for untrusted memories. On return it is on disk.

        Args:
            citations: Proposals, or untrusted memories.
            accept: Or reject.
            reason: Why.
            actor: Who reviews.
            source: What stands behind the review; calling this is the owner's word.

        Raises:
            ZaxyError: As `ReviewService.decide`.
        """
        cited = [citations] if isinstance(citations, str) else list(citations)
        done = await self._run(
            lambda: self.memory.reviews.decide(
                cited, accept=accept, reason=reason, actor=actor, origin=self._origin(source)
            )
        )
        self.noted(3 * len(done))
        return done

    async def show_memory(
        self,
        *,
        target_seq: int | None = None,
        target_hash: str | None = None,
        citation: str | None = None,
        session_id: str | None = None,
    ) -> Shown:
        """Return one memory with all that was done to it: what it says now, what it said, who changed it and why.

        Args:
            target_seq: Its number, with ``session_id`` or ``target_hash``.
            target_hash: Its hash, or at least its first 12 digits; it is compared.
            citation: Or its citation.
            session_id: The session of ``target_seq``; None means the default one where the hash is told.

        Raises:
            NotFoundError: There is no such event.
            IntegrityError: It has another hash.
            InvalidInputError: None is named, or a number without its session or hash.
        """
        return await self._run(
            lambda: self.memory.showing.show(self._find(target_seq, target_hash, citation, session_id))
        )

    async def forget_plan(
        self,
        *,
        citations: Sequence[str] = (),
        query: str | None = None,
        actor: str | None = None,
        before: str | None = None,
        session_id: str | None = None,
    ) -> Plan:
        """Return what would be forgotten; nothing is. As `ForgettingService.plan`."""
        return await self._run(
            self.memory.forgetting.plan,
            targets=tuple(citations),
            query=query,
            actor=actor,
            before=before,
            session_id=session_id,
        )

    async def forget_planned(
        self, plan: Plan, *, reason: str, actor: str = "zaxy-forgetter", confirmed: bool = True, rotate: bool = False
    ) -> Receipt:
        """Forget what a plan holds, for good. As `ForgettingService.forget`; calling it is the confirmation."""
        return await self._run(
            self.memory.forgetting.forget,
            plan,
            reason=reason,
            actor=actor,
            confirmed=confirmed,
            origin=self._origin("agent"),
            rotate=rotate,
        )

    async def verified_forget(
        self,
        *,
        target_seq: int | None = None,
        target_hash: str | None = None,
        citation: str | None = None,
        reason: str,
        actor: str = "zaxy-forgetter",
        confidence: float = 1.0,
        session_id: str | None = None,
        confirmed: bool = True,
    ) -> Receipt:
        """Forget one memory for good, with its corrections and what was made from it. It cannot be undone.

        On return its key is destroyed, and nothing of it is left in any store.

        Args:
            target_seq: Its number, with ``session_id`` or ``target_hash``.
            target_hash: Its hash, or at least its first 12 digits; it is compared.
            citation: Or its citation.
            reason: Why; it stands in the log in the clear.
            actor: Who has it done.
            confidence: Recorded; it never stands for a confirmation.
            session_id: The session of ``target_seq``; None means the default one where the hash is told.
            confirmed: That the owner wants it; a program that calls this for somebody else passes what they said.

        Raises:
            NotFoundError: There is no such event.
            IntegrityError: It has another hash.
            ZaxyError: As `ForgettingService.plan` and `ForgettingService.forget`.
        """

        def forget() -> Receipt:
            target = self._find(target_seq, target_hash, citation, session_id)
            service = self.memory.forgetting
            plan = service.plan(targets=[target])
            return service.forget(
                plan,
                reason=reason,
                actor=actor,
                confirmed=confirmed,
                confidence=confidence,
                origin=self._origin("agent"),
            )

        return await self._run(forget)
