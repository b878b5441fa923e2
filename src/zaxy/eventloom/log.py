"""One session's log: append, replay, verify."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from zaxy.clock import Clock, SystemClock
from zaxy.errors import InvalidInputError
from zaxy.eventloom.batch import Outcome
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.layout import LOG_SUFFIX, LogLayout
from zaxy.eventloom.origin import Origin
from zaxy.eventloom.proof.seen import SeenWriter
from zaxy.eventloom.reader import Head, LogReader
from zaxy.eventloom.sealing import LazySealer
from zaxy.eventloom.torn import CheckpointedSeq
from zaxy.eventloom.verification import IntegrityReport, verify_log
from zaxy.eventloom.writer import LogWriter, WriterOptions
from zaxy.ids import check_session_id

_MEMBERS: Final = frozenset(
    {"event_type", "actor", "payload", "key", "parent_event_id", "caused_by", "origin", "forgettable"}
)


class EventLog:
    """An append-only, hash-chained log of one session. Synchronous; safe to share between threads.

    Any number of processes may append to one log and read it at the same time.

    Args:
        path: The log file, ``<loom>/<session id>.jsonl``; it and its folder are made by the first append.
        clock: Where events get their recorded time from.
        options: When to sync, and limits.
        seen: Notes outside the loom what was acknowledged.
        acknowledged_seq: Says up to which event the log is known to have been acknowledged: none of them is ever
            taken for a torn tail.
        sealer: Seals forgettable events; None refuses them.

    Raises:
        InvalidInputError: ``path`` is empty.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        clock: Clock | None = None,
        options: WriterOptions | None = None,
        seen: SeenWriter | None = None,
        acknowledged_seq: CheckpointedSeq | None = None,
        sealer: LazySealer | None = None,
    ) -> None:
        if not str(path).strip() or Path(path).name in ("", "..", "."):
            raise InvalidInputError("the path of a log is empty", remedy="name a file such as .eventloom/work.jsonl")
        self.layout = LogLayout.of(path)
        self.session_id = self.layout.session_id
        self.reader = LogReader(self.layout, acknowledged_seq)
        self._writer = LogWriter(self.reader, clock or SystemClock(), options or WriterOptions(), seen, sealer=sealer)

    @property
    def path(self) -> Path:
        """The file that is appended to."""
        return self.layout.active

    def append(
        self,
        event_type: str,
        actor: str,
        payload: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        parent_event_id: str | None = None,
        caused_by: Sequence[str] = (),
        origin: Origin | None = None,
        forgettable: bool = False,
    ) -> Event:
        """Record one event. On return it is on disk, unless the log's fsync policy says otherwise.

        Args:
            event_type: At least two lower-case parts joined by dots: ``goal.created``.
            actor: Who did or said it.
            payload: JSON object. ``occurred_at`` in it (RFC 3339) says when it happened in the world.
            key: Idempotency key ``<source>:<id>``; if the log holds it, its event is returned and nothing is written.
            parent_event_id: Id of the event this one answers or belongs to.
            caused_by: Ids of the events that led to this one.
            origin: Where it comes from.
            forgettable: Whether the payload is sealed under a key of its own. The event that is returned holds the
                sealed payload, as the log does.

        Raises:
            InvalidInputError: The event cannot be sealed; the message names the place in the payload.
            KeyUnavailableError: It is forgettable, and there are no keys for it.
            WriteFailedError: The disk refused; nothing was written.
            DurabilityUnknownError: The sync failed.
            LogDamagedError: The log is corrupt and therefore read-only.
            BusyError: Another process held the log for too long.
        """
        told = payload if payload is not None else {}
        draft = Draft(event_type, actor, told, key, parent_event_id, caused_by, origin, forgettable)
        return self.commit([draft])[0].event

    def append_many(self, items: Iterable[Draft | Mapping[str, Any]]) -> list[Event]:
        """Record several events with one write and one sync: all of them or none.

        A crash in the middle may leave the first of them, each whole, before anything was acknowledged; events with
        keys can simply be appended again.

        Args:
            items: Drafts, or mappings with ``event_type``, ``actor``, ``payload`` and optionally ``key``,
                ``parent_event_id``, ``caused_by``, ``origin``, ``forgettable``.

        Returns:
            The events, in the order given; for a key that the log held, the event that has it.

        Raises:
            As `append`.
        """
        return [outcome.event for outcome in self.commit([as_draft(item) for item in items])]

    def commit(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """As `append_many`, and tells for each draft whether it is new.

        Raises:
            As `append`.
        """
        self._check_writable()
        return self._writer.commit(drafts) if drafts else []

    def _check_writable(self) -> None:
        if self.layout.is_closed_segment:
            raise InvalidInputError(
                f"{self.path} is a closed segment", remedy=f"append to {self.session_id}{LOG_SUFFIX} in its loom"
            )
        if not self.path.name.endswith(LOG_SUFFIX):
            raise InvalidInputError(f"{self.path} is not named like a log", remedy=f"a log's name ends in {LOG_SUFFIX}")
        check_session_id(self.session_id)

    def replay(self, from_seq: int = 1, to_seq: int | None = None) -> Iterator[Event]:
        """Yield events in order, each checked against its hash and its predecessor.

        Args:
            from_seq: First event wanted, from 1.
            to_seq: Last event wanted, None for the end.

        Raises:
            InvalidInputError: The range is empty or begins before 1.
            NotFoundError: There is no such log.
            LogDamagedError: After the good events, when a record is bad.
        """
        if from_seq < 1 or (to_seq is not None and to_seq < from_seq):
            raise InvalidInputError(f"there is no range of events from {from_seq} to {to_seq}")
        self.reader.require()
        return self.reader.replay(from_seq, to_seq)

    def read(self, seq: int) -> Event | None:
        """Return one event, checked against its hash, or None when the log has no sound event of that number."""
        return self.reader.read(seq)

    def head(self) -> Head:
        """Return the end of the log."""
        return self.reader.head()

    def tail(self, count: int = 10) -> list[Event]:
        """Return the last ``count`` events, oldest first.

        Raises:
            LogDamagedError: One of them is bad.
        """
        if count < 1:
            raise InvalidInputError(f"a tail of {count} events cannot be read")
        last = self.reader.head().seq
        return list(deque(self.reader.replay(max(1, last - count + 1)), maxlen=count)) if last else []

    def verify(self) -> IntegrityReport:
        """Check every line, every hash and the chain, across all segments. Reads the whole log; never raises for it.

        Raises:
            NotFoundError: There is no such log.
        """
        self.reader.require()
        return verify_log(self.layout, self.reader)

    def rotate(self) -> str | None:
        """Close the active file into the archive; sequence numbers and the chain go on in the next one.

        Returns:
            The closed segment's path, or None when there was nothing to close.

        Raises:
            As `append`.
        """
        self._check_writable()
        return self._writer.rotate()

    def close(self) -> None:
        """Release the log's file. The log can be used again afterwards."""
        self._writer.close()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def as_draft(item: Draft | Mapping[str, Any]) -> Draft:
    """Return a draft from a mapping with ``event_type``, ``actor`` and optionally the other members of a draft.

    Raises:
        InvalidInputError: A member is missing, unknown or of the wrong type.
    """
    if isinstance(item, Draft):
        return item
    if not isinstance(item, Mapping):
        raise InvalidInputError(f"an event is a mapping or a Draft, not {type(item).__name__}")
    unknown = set(item) - _MEMBERS
    missing = {"event_type", "actor"} - set(item)
    if unknown or missing:
        named = ", ".join(sorted(str(name) for name in (unknown or missing)))
        raise InvalidInputError(f"an event has {'unknown' if unknown else 'no'} {named}")
    payload, causes, origin = item.get("payload"), item.get("caused_by"), item.get("origin")
    if not (origin is None or isinstance(origin, Origin)) or not isinstance(item.get("forgettable", False), bool):
        raise InvalidInputError("an event's origin is an Origin, and whether it is forgettable true or false")
    return Draft(
        item["event_type"],
        item["actor"],
        payload if payload is not None else {},
        item.get("key"),
        item.get("parent_event_id"),
        causes if causes is not None else (),
        origin,
        item.get("forgettable", False),
    )
