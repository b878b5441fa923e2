"""What the calls of a served memory give: the members of their JSON answers. Later servers may add some.

Annotations are evaluated here, so that which members are always there is known at run time too.
"""

from typing import Any, NotRequired, TypedDict


class Appended(TypedDict):
    """The receipt of an append."""

    citation: str
    session_id: str
    seq: int
    event_id: str
    event_type: str
    recorded_at: str
    hash: str
    durable: bool


class Event(TypedDict):
    """An event as it was recorded."""

    citation: str
    session_id: str
    seq: int
    event_id: str
    event_type: str
    actor: str
    occurred_at: str
    recorded_at: str
    payload: dict[str, Any]
    hash: str
    previous_hash: str | None
    parent_event_id: str | None
    caused_by: list[str]
    durable: bool


class Hit(TypedDict):
    """An event that answers a question."""

    citation: str
    session_id: str
    seq: int
    event_type: str
    actor: str
    occurred_at: str
    recorded_at: str
    content: str
    score: float
    scores: dict[str, float]
    metadata: dict[str, Any]


class Answer(TypedDict):
    """The events that answer a question, best first."""

    notice: str
    query: str
    hits: list[Hit]
    lanes: list[str]
    warnings: list[str]
    skipped: dict[str, str]
    understood: list[str]
    contrast: float | None
    degradations: list[str]


class Fact(TypedDict):
    """What is so of one thing."""

    entity_type: str
    name: str
    status: str
    valid_from: str
    valid_to: str | None
    content: str
    citation: str
    metadata: dict[str, Any]


class Change(TypedDict):
    """What became of one thing."""

    entity_type: str
    name: str
    status: str
    event_type: str
    actor: str
    recorded_at: str
    citation: str


class Changes(TypedDict):
    """What changed since a moment."""

    since: str
    items: list[Change]
    events: int
    sessions: int
    complete: bool


class Quality(TypedDict):
    """How far a packet can be relied on."""

    verdict: str
    confidence: float
    coverage: float
    contrast: float | None
    lanes: list[str]
    skipped: dict[str, str]
    tokens: int
    token_budget: int
    omitted: int


class Packet(TypedDict):
    """What an agent reads before a turn."""

    notice: str
    query: str
    text: str
    facts: list[Fact]
    working_set: list[Fact]
    evidence: list[Hit]
    changes: Changes | None
    quality: Quality
    warnings: list[str]
    degradations: list[str]


class ReplayedEvent(Event):
    """A sealed event with its source, where the log says it, and with ``taint`` where nobody should rely on it."""

    metadata: dict[str, Any]


class Replayed(TypedDict):
    """Events of a session, in order."""

    notice: str
    session_id: str
    from_seq: int
    to_seq: int | None
    events: list[ReplayedEvent]
    next_from_seq: int | None
    warnings: list[str]


class Invalidated(TypedDict):
    """What no longer counts."""

    status: str
    event: Event
    targets: list[str]
    invalid_at: str


class Proof(TypedDict):
    """A proof of one event."""

    citation: str
    session_id: str
    seq: int
    hash: str
    leaf: int
    origin: str
    size: int
    proof: str


class SessionStatus(TypedDict):
    """How one session stands."""

    session_id: str
    event_count: int
    integrity_ok: bool
    integrity_reason: str | None
    broken_at_seq: int | None
    verified: bool
    latest_seq: int
    latest_hash: str
    latest_type: str
    latest_actor: str
    latest_timestamp: str
    notes: list[str]


class ProjectionStatus(TypedDict):
    """How one derived store stands."""

    name: str
    backend: str
    state: str
    lag_events: int
    lag_bytes: int
    holds: dict[str, int]
    reason: str | None


class Status(TypedDict):
    """How the memory stands."""

    ok: bool
    loom_id: str | None
    session_count: int
    total_events: int
    sessions: list[SessionStatus]
    next_after: str | None
    projections: NotRequired[list[ProjectionStatus]]


class Health(TypedDict):
    """That the server runs."""

    status: str
