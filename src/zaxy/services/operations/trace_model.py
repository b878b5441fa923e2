"""What a trace export holds: one span an event, edges between spans, and how good each session's log is.

Names and shapes are those of ``zaxy.trace.v0.8`` as zaxy-memory 3.x writes it; ``zaxy/schemas/zaxy.trace.v0.8.json``
is its JSON Schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from zaxy.eventloom.event import Event

FORMAT: Final = "zaxy.trace.v0.8"
LINES_FORMAT: Final = f"{FORMAT}.jsonl"


class Kind(StrEnum):
    """What a span is."""

    MISSION = "mission"
    COORDINATION = "coordination"
    FINDING = "finding"
    REVIEW = "review"
    PROMOTION = "promotion"
    HANDOFF = "handoff"
    CHECKOUT = "checkout"
    MODEL_CALL = "model_call"
    TOOL_CALL = "tool_call"
    TRANSCRIPT = "transcript"
    EVENT = "event"


class Relation(StrEnum):
    """What an edge says of its source and its target. The first five are those of zaxy-memory 3.x."""

    CONTAINS = "contains"
    """A mission, and what belongs to it."""

    REVIEWS = "reviews"
    PROMOTES = "promotes"
    OBSERVED_TOOL_CALL = "observed_tool_call"
    """A model call, and a tool call that followed it."""

    RESPONDED_WITH = "responded_with"
    """A model call, and a turn that followed it."""

    PROMPTED = "prompted"
    """A turn, and a model call that followed it."""

    PARENT_OF = "parent_of"
    CAUSED = "caused"
    DERIVED_FROM = "derived_from"
    PROPOSES_FOR = "proposes_for"
    CORRECTS = "corrects"
    ENDORSES = "endorses"
    ROLLS_BACK = "rolls_back"
    FORGETS = "forgets"
    INVALIDATES = "invalidates"
    REINFORCES = "reinforces"
    USED_CHECKOUT = "used_checkout"
    CITES = "cites"
    """Anything, and an event that it names as evidence."""


@dataclass(frozen=True, slots=True)
class Span:
    """One event.

    Attributes:
        actor: Who did it.
        attributes: Ids, states and numbers from its payload; no text of it but an objective and a claim's value.
        event_hash: Its hash, 64 hexadecimal digits.
        event_seq: Its number in its session.
        event_type: Its type in the log.
        kind: What it is.
        name: Its kind, and its mission where it names one.
        session_id: Its session.
        span_id: ``event:<session>:<number>``: the same in every export.
        timestamp: When the log learned it.
    """

    actor: str
    attributes: Mapping[str, Any]
    event_hash: str
    event_seq: int
    event_type: str
    kind: Kind
    name: str
    session_id: str
    span_id: str
    timestamp: str


@dataclass(frozen=True, slots=True)
class TraceSession:
    """One session's log.

    Attributes:
        broken_at_seq: The first bad event, None when there is none. What follows it is in no span.
        broken_reason: What is wrong with it.
        event_count: How many sound events the log holds.
        integrity_ok: Whether every record and the chain are sound.
        latest_hash: Digest of the last sound event, None in an empty log.
        latest_seq: Its number, 0 in an empty log.
        session_id: Its id.
    """

    broken_at_seq: int | None
    broken_reason: str | None
    event_count: int
    integrity_ok: bool
    latest_hash: str | None
    latest_seq: int
    session_id: str


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """How much an export holds."""

    edge_count: int
    finding_count: int
    mission_count: int
    model_call_count: int
    span_count: int
    tool_call_count: int


def span_id(session_id: str, seq: int) -> str:
    """Return the id of an event's span."""
    return f"event:{session_id}:{seq}"


@dataclass(frozen=True, slots=True)
class Seen:
    """An event as a trace sees it.

    Attributes:
        raw: As the log holds it.
        kind: What it is by its type and payload.
        payload: Its payload as the reader gives it; empty where that is sealed in the log.
        attributes: What of it is exported.
    """

    raw: Event
    kind: Kind
    payload: Mapping[str, Any]
    attributes: Mapping[str, Any]

    def told(self, name: str) -> str:
        """Return a payload member that is a text, else an empty text."""
        value = self.payload.get(name)
        return value if isinstance(value, str) else ""
