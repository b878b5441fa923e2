"""An event as the rest of the house sees it: one sealed record of one session's log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from zaxy.clock import parse_time
from zaxy.errors import InvalidInputError
from zaxy.eventloom.origin import Origin
from zaxy.ids import EventRef, cite

RESERVED_PREFIX: Final = "__zaxy_"
"""Payload members that begin so belong to the log, not to what was said; nothing searches them."""

SECURITY_KEY: Final = "__zaxy_security"
SOURCE_KEY: Final = "__zaxy_source"
"""Payload member that holds an event's idempotency key: ``<source>:<id in that source>``."""


@dataclass(frozen=True, slots=True)
class Event:
    """One sealed record.

    Attributes:
        seq: Position in the session, from 1, without gaps.
        id: ``evt_zaxy_<seq, 12 digits>_<16 hex>``.
        event_type: Such as ``goal.created``.
        actor: Who did or said it.
        session_id: Which session it belongs to.
        payload: What was recorded, after secrets were replaced.
        recorded_at: When the log learned it, RFC 3339 UTC.
        hash: ``sha256:<64 hex>`` (legacy records: 64 hex).
        previous_hash: The hash of the record before, or None for the first.
        parent_event_id: The event this one answers or belongs to, if any.
        caused_by: Ids of the events that led to this one.
        durable: Whether the record was synced to disk when the append returned (always True when read).
    """

    seq: int
    id: str
    event_type: str
    actor: str
    session_id: str
    payload: Mapping[str, Any]
    recorded_at: str
    hash: str
    previous_hash: str | None = None
    parent_event_id: str | None = None
    caused_by: tuple[str, ...] = ()
    durable: bool = True

    @property
    def ref(self) -> EventRef:
        """Where the event stands."""
        return EventRef(self.session_id, self.seq)

    @property
    def citation(self) -> str:
        """``eventloom://<session>/events/<seq>#<hash prefix>``."""
        return cite(self.session_id, self.seq, self.hash)

    @property
    def recorded_moment(self) -> int:
        """``recorded_at`` in microseconds since 1970 UTC; 0 where another program's log has no time there."""
        try:
            return parse_time(self.recorded_at)
        except InvalidInputError:
            return 0

    @property
    def occurred_moment(self) -> int:
        """When it happened in the world, in microseconds: ``payload.occurred_at``, else ``recorded_at``."""
        told = self.payload.get("occurred_at")
        if told is not None:
            try:
                return parse_time(told)
            except InvalidInputError:  # a log that another program wrote may hold anything there
                pass
        return self.recorded_moment

    @property
    def occurred_at(self) -> str:
        """When it happened in the world: ``payload.occurred_at`` where it is a time, else ``recorded_at``."""
        told = self.payload.get("occurred_at")
        if told is not None:
            try:
                parse_time(told)
            except InvalidInputError:
                return self.recorded_at
            return str(told)
        return self.recorded_at

    @property
    def source_key(self) -> str | None:
        """The idempotency key under which a source recorded the event, if it has one."""
        key = self.payload.get(SOURCE_KEY)
        return key if isinstance(key, str) else None


@dataclass(frozen=True, slots=True)
class Draft:
    """An event before it is sealed.

    Attributes:
        event_type: At least two lower-case parts joined by dots.
        actor: Who did or said it.
        payload: JSON object; ``occurred_at`` in it (RFC 3339) says when it happened in the world.
        key: ``<source>:<id in that source>``. A log takes in one event a key; a second one is given back the first.
        parent_event_id: The event this one answers or belongs to.
        caused_by: Ids of the events that led to this one.
        origin: Where it comes from; sealed as the payload member ``__zaxy_origin``.
        forgettable: Whether the payload is sealed under a key of its own, so that it can be forgotten.
    """

    event_type: str
    actor: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None
    parent_event_id: str | None = None
    caused_by: Sequence[str] = ()
    origin: Origin | None = None
    forgettable: bool = False
