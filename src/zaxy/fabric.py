"""The memory for ``asyncio``: `MemoryFabric`, which keeps the projections up with the log in the background."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from zaxy.clock import Clock
from zaxy.config import Settings, load_settings
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.log import as_draft
from zaxy.fabric_governance import GovernedMemory
from zaxy.ids import check_session_id
from zaxy.memory import Memory
from zaxy.projections.background import BackgroundCatchup
from zaxy.projections.vectors.background import BackgroundFilling
from zaxy.services.capture.sink import LoomSink
from zaxy.services.governance.attribution import refuse_governed, refuse_governed_key
from zaxy.services.governance.invalidation import Invalidated
from zaxy.services.operations.inspection import LoomStatus
from zaxy.services.operations.projection_status import ProjectionStatus
from zaxy.services.recall.question import Filters, NamesArgument
from zaxy.services.recall.results import Answer, Packet
from zaxy.telemetry import SILENT, Observer, Operation, answered

Progress = Callable[[int, int | None], None]


class MemoryFabric(GovernedMemory):
    """Memory for agents, for ``asyncio``.

    An event that `append` returned is on disk, and every later query sees it. Any number of processes may use one loom.

    Args:
        eventloom_path: The loom's folder; None takes ``EVENTLOOM_PATH``, what ``zaxy init`` wrote, or ``.eventloom``.
        session_id: The session that a write means when it names none; None takes ``EVENTLOOM_THREAD``, what
            ``zaxy init`` wrote, or ``default``.
        projection_backend: Graph back end; None takes ``PROJECTION_BACKEND`` or ``embedded``.
        projection_paths: Compaction projections that lie elsewhere than in the loom; `projections` says which of them
            the log confirms.
        clock: What "now" is.
        observer: Who watches; nobody unless somebody is named.

    Raises:
        InvalidInputError: A setting cannot be used.
    """

    def __init__(
        self,
        eventloom_path: str | Path | None = None,
        *,
        session_id: str | None = None,
        projection_backend: str | None = None,
        projection_paths: Iterable[str | Path] = (),
        clock: Clock | None = None,
        observer: Observer = SILENT,
    ) -> None:
        settings = load_settings(
            eventloom_path=eventloom_path, session_id=session_id, projection_backend=projection_backend
        )
        self._wire(settings, clock, observer)
        self.memory.projections.named_artefacts = tuple(map(Path, projection_paths))

    @classmethod
    def from_settings(
        cls, settings: Settings, *, clock: Clock | None = None, observer: Observer = SILENT
    ) -> MemoryFabric:
        """Return the fabric for settings that were loaded already; the environment is not read again.

        Args:
            settings: Where everything is.
            clock: What "now" is.
            observer: Who watches; nobody unless somebody is named.
        """
        fabric = cls.__new__(cls)
        fabric._wire(settings, clock, observer)
        return fabric

    def _wire(self, settings: Settings, clock: Clock | None, observer: Observer) -> None:
        self.observer = observer
        self.memory = Memory(settings, clock=clock, observer=observer)
        observer.watch(self.memory.sizes.read)
        self._background = BackgroundCatchup(self.memory.catchup, observer)
        self._filling = BackgroundFilling(lambda: self.memory.vectors, observer)
        self.memory.sink = LoomSink(settings, self.memory.loom, self.noted)
        self._filling.note()

    def noted(self, events: int) -> None:
        """Let the stores take in what was recorded through `memory`, in the background.

        The calls of this class tell it themselves; who calls a service of ``memory`` tells it here.

        Args:
            events: How many events that were, about.
        """
        self._background.note(events)
        self._filling.note()

    def write_elsewhere(self, write: Callable[[], bool]) -> None:
        """Let another process write the stores when there is much to write, as `Catchup.catch_up_by` takes it.

        Args:
            write: Does so, and returns when it is done. Called from a thread of its own.
        """
        self._background.elsewhere = write

    def _session(self, session_id: str | None) -> str:
        return self.memory.settings.session_id if session_id is None else check_session_id(session_id)

    async def append(  # noqa: PLR0913 -- a public call with names; each is a part of the event
        self,
        event_type: str,
        actor: str,
        payload: Mapping[str, Any] | None = None,
        *,
        session_id: str | None = None,
        key: str | None = None,
        parent_event_id: str | None = None,
        caused_by: Sequence[str] = (),
        forgettable: bool = False,
        derives_from: Sequence[str] = (),
        untrusted: bool = False,
        source: str = "agent",
    ) -> Event:
        """Record one event. On return it is on disk.

        Args:
            event_type: At least two lower-case parts joined by dots: ``goal.created``.
            actor: Who did or said it.
            payload: JSON object; ``occurred_at`` in it (RFC 3339) says when it happened in the world.
            session_id: Which session; None means the default one.
            key: Idempotency key ``<source>:<id>``; if the log holds it, its event is returned and nothing is written.
            parent_event_id: Id of the event this one answers or belongs to.
            caused_by: Ids of the events that led to this one.
            forgettable: Whether the payload is sealed under a key of its own, so that it can be forgotten for good.
            derives_from: Citations of the events that it was made from; what is untrusted of them labels it too.
            untrusted: Whether it states no facts until somebody reviewed it.
            source: What stands behind it: ``human``, ``agent``, ``tool``, ``import`` or ``derived``.

        Raises:
            InvalidInputError: The event cannot be sealed; the message names the place. Or its type or its key is one
                that only the memory's own commands use.
            WriteFailedError: The disk refused; nothing was written.
            DurabilityUnknownError: The sync failed.
            LogDamagedError: The log is corrupt and therefore read-only.
            BusyError: Another process held the log for too long.
        """
        origin = await self._run(self._origin, source, derives_from, untrusted=untrusted)
        told, causes = payload if payload is not None else {}, tuple(caused_by)
        draft = Draft(event_type, actor, told, key, parent_event_id, causes, origin, forgettable)
        return (await self._commit([draft], session_id))[0]

    async def append_batch(
        self, items: Iterable[Draft | Mapping[str, Any]], *, session_id: str | None = None
    ) -> list[Event]:
        """Record several events with one write and one sync: all of them or none. On return they are on disk.

        A crash in the middle may leave the first of them; events with keys can simply be appended again.

        Args:
            items: Drafts, or mappings with ``event_type``, ``actor``, ``payload`` and optionally ``key``,
                ``parent_event_id``, ``caused_by``.
            session_id: Which session; None means the default one.

        Raises:
            As `append`.
        """
        return await self._commit([as_draft(item) for item in items], session_id)

    async def _commit(self, drafts: Sequence[Draft], session_id: str | None) -> list[Event]:
        for draft in drafts:
            refuse_governed(draft.event_type)
            refuse_governed_key(draft.key)
        known = [
            draft if draft.origin is not None else replace(draft, origin=self._origin("agent")) for draft in drafts
        ]
        with self.observer.measure(Operation.APPEND) as measured:
            outcomes = await self._run(self.memory.loom.commit, self._session(session_id), known)
            measured.tell("events", len(outcomes))
        self.noted(len(outcomes))
        return [outcome.event for outcome in outcomes]

    async def query(
        self,
        text: str,
        session_id: NamesArgument = None,
        limit: int | None = None,
        as_of: str | None = None,
        **filters: Any,
    ) -> Answer:
        """Return the events that answer a question, best first: a sequence of `Hit`.

        Args:
            text: What is asked.
            session_id: Ids or globs of sessions; None means all of them.
            limit: How many hits are wanted; None means ``QUERY_DEFAULT_LIMIT``, 10.
            as_of: World time the question is asked for, RFC 3339; None means now.
            **filters: The other members of `Filters`: ``known_at``, ``event_types``, ``actors``, ``occurred_from``,
                ``occurred_to``, ``housekeeping``.

        Raises:
            InvalidInputError: The question or a filter cannot be used.
        """
        wanted = self.memory.settings.query_default_limit if limit is None else limit
        asked = Filters(session_id=session_id, as_of=as_of, **filters)
        with self.observer.measure(Operation.QUERY) as measured:
            measured.quote("query", text)
            answer = await self._run(self.memory.recall.query, text, asked, limit=wanted)
            measured.tell("hits", len(answer))
            answered(self.observer, measured, answer.lanes, answer.degradations)
            return answer

    async def checkout(
        self,
        text: str,
        session_id: NamesArgument = None,
        token_budget: int = 2_000,
        as_of: str | None = None,
        *,
        since: str | None = None,
        **filters: Any,
    ) -> Packet:
        """Return the cited packet that an agent reads before a turn.

        Args:
            text: What the agent is about to do.
            session_id: Ids or globs of sessions; None means all of them.
            token_budget: How long the packet's text may be, in estimated tokens.
            as_of: World time, RFC 3339; None means now.
            since: Also tell what changed since then: the citation of an event, or an RFC 3339 time.
            **filters: As `query`.

        Raises:
            InvalidInputError: The question, a filter, the budget or ``since`` cannot be used.
            NotFoundError: There is no event at the citation.
        """
        asked = Filters(session_id=session_id, as_of=as_of, **filters)
        with self.observer.measure(Operation.CHECKOUT) as measured:
            measured.quote("query", text)
            checkout = self.memory.checkouts.checkout
            packet = await self._run(checkout, text, asked, token_budget=token_budget, since=since)
            measured.tell("hits", len(packet.evidence))
            answered(self.observer, measured, packet.quality.lanes, packet.degradations)
            return packet

    async def replay(
        self, session_id: str | None = None, *, from_seq: int = 1, to_seq: int | None = None
    ) -> list[Event]:
        """Return a session's events in order, each checked against its hash and its predecessor.

        A sealed event is opened; one that was forgotten has ``[FORGOTTEN]`` as its content.

        Raises:
            NotFoundError: There is no such session.
            LogDamagedError: A record in the range is bad.
        """
        log, opener = self.memory.loom.log(self._session(session_id)), self.memory.opener
        return await self._run(lambda: [opener.open(event) for event in log.replay(from_seq, to_seq)])

    async def invalidate(
        self,
        *,
        citations: Sequence[str] = (),
        entity: tuple[str, str] | None = None,
        invalid_at: str | None = None,
        reason: str = "",
        actor: str = "user",
        session_id: str | None = None,
        source: str = "agent",
    ) -> Invalidated:
        """Record that events, or the current statement about an entity, no longer count. On return it is on disk.

        Args:
            citations: The events to end.
            entity: Or ``(type, name)``, such as ``("goal", "Ship the parser")``.
            invalid_at: From when on, RFC 3339, also in the future; None means now.
            reason: Why.
            actor: Who says so.
            session_id: The session that the ending is recorded in; None means the one of what ends, or the default
                one where that lies in several.
            source: What stands behind it: ``human`` or ``agent``.

        Raises:
            NotFoundError: There is no such event or entity.
            InvalidInputError: Neither or both were named, or a value cannot be read.
            NotAuthorizedError: The evolution policy does not let it through; its decision is recorded.
        """
        done = await self._run(
            self.memory.invalidation.invalidate,
            session_id=self._session(session_id),
            actor=actor,
            citations=citations,
            entity=entity,
            invalid_at=invalid_at,
            reason=reason,
            origin=self._origin(source),
            is_session_named=session_id is not None,
        )
        self.noted(2)  # the gate's decision and the ending
        return done

    async def status(self, *, verify: bool = True) -> LoomStatus:
        """Return the state of every session; with ``verify``, every chain is checked.

        Raises:
            NotFoundError: There is no loom yet.
        """
        return await self._run(self.memory.inspection.status, verify=verify)

    async def projection_status(self) -> tuple[ProjectionStatus, ...]:
        """Return how the projections stand and how far they are behind the log."""
        return await self._run(self.memory.projections.status)

    async def reproject(self, progress: Progress | None = None) -> int:
        """Empty the projections and fill them from the log. As `Memory.rebuild`.

        Returns:
            How many events were taken in.
        """
        return await self._run(self.memory.rebuild, progress)

    async def catch_up(self) -> bool:
        """Bring the durable stores up to the log now; False when another process is doing so."""
        return await self._run(self.memory.catchup.catch_up)

    async def embed(self, progress: Progress | None = None) -> int:
        """Give every event that has none its vector, now, and return how many got one. As `Memory.embed`."""
        return await self._run(self.memory.embed, progress)

    async def close(self) -> None:
        """Finish what runs in the background and release all files."""
        await self._run(self._filling.close)
        await self._run(self._background.close)
        await self._run(self.memory.settle)
        self.memory.close()

    async def __aenter__(self) -> MemoryFabric:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
