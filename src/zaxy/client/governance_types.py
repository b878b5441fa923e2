"""What the calls that change a served memory give: the members of their JSON answers. Later servers may add some.

Annotations are evaluated here, so that which members are always there is known at run time too.
"""

from typing import Any, NotRequired, TypedDict


class Place(TypedDict):
    """Where an event is."""

    citation: str
    session_id: str
    seq: int
    hash: str


class Gate(TypedDict):
    """What the policy said to a change."""

    op: str
    tier: str
    confidence: float
    threshold: float
    decision: str
    auto_apply: bool
    requires_review: bool
    rollback_window_seconds: int
    reason: str
    authority_status: str
    candidate_ref: NotRequired[dict[str, Any]]
    citation: str


class Edited(TypedDict):
    """What became of a correction."""

    status: str
    correction_id: str | None
    correction_event: Place | None
    target: Place
    proposal: Place | None
    gate: Gate


class Reverted(TypedDict):
    """What a rollback takes back."""

    event_type: str


class RolledBack(TypedDict):
    """What became of a rollback."""

    status: str
    rollback_id: str | None
    rollback_event: Place | None
    target: Place
    proposal: Place | None
    reverts: Reverted
    gate: Gate


class Planned(TypedDict):
    """An event that is forgotten with a memory."""

    citation: str
    role: str


class PlannedMemory(TypedDict):
    """A memory that would be forgotten."""

    citation: str
    events: list[Planned]


class Kept(TypedDict):
    """What stays."""

    citation: str
    reason: str
    remedy: str


class Plan(TypedDict):
    """What would be forgotten."""

    items: list[PlannedMemory]
    unsealed: list[Kept]
    left_out: int


class Erased(TypedDict):
    """An event whose key was destroyed."""

    citation: str
    hash: str
    cell_id: str
    role: str


class ForgottenMemory(TypedDict):
    """A memory that is gone."""

    forget_id: str
    event: str
    event_hash: str
    target: Erased
    also: list[Erased]
    retired: list[str]


class CleanedStore(TypedDict):
    """A store that was cleaned."""

    name: str
    events: int


class Receipt(TypedDict):
    """What was erased, from which stores, and what stays."""

    loom_id: str
    actor: str
    reason: str
    gate: str
    recorded_at: str
    erased_at: str
    memories: list[ForgottenMemory]
    stores: list[CleanedStore]
    rotated_epoch: int | None
    kept: list[Kept]
    unreachable: list[str]


class Forgotten(TypedDict):
    """What a forgetting did, or, for a dry run, would do."""

    erased: bool
    plan: NotRequired[Plan]
    forget_id: NotRequired[str]
    forget_event: NotRequired[Place]
    target: NotRequired[Place]
    cell_id: NotRequired[str]
    erased_at: NotRequired[str]
    gate: NotRequired[Gate]
    receipt: NotRequired[Receipt]
    note: NotRequired[str]


class Step(TypedDict):
    """What was said or done, in a memory's history."""

    citation: str
    change: str
    actor: str
    recorded_at: str
    reason: str
    content: str
    counts: bool


class Ending(TypedDict):
    """What ended an event."""

    target: str
    by: str
    from_when: str
    recorded_at: str
    lifted: bool


class Shown(TypedDict):
    """One memory with its history."""

    notice: str
    citation: str
    session_id: str
    seq: int
    hash: str
    root: str
    event_type: str
    actor: str
    occurred_at: str
    recorded_at: str
    content: str
    state: str
    taint: str
    origin: dict[str, Any]
    derives_from: list[str]
    derived: list[str]
    history: list[Step]
    endings: list[Ending]
    block: NotRequired[str]


class Waiting(TypedDict):
    """A change that waits for a review."""

    citation: str
    kind: str
    session_id: str
    target: str
    actor: str
    recorded_at: str
    reason: str
    gate_reason: str
    confidence: float | None
    diff: list[str]


class Decided(TypedDict):
    """What a review decided of one thing."""

    target: str
    decision: str
    event: Place
    applied: Place | None


class Reviewed(TypedDict):
    """What waits for a review, or what was decided."""

    notice: str
    waiting: NotRequired[list[Waiting]]
    reviewed: NotRequired[list[Decided]]


class Policy(TypedDict):
    """Which changes happen by themselves."""

    default_threshold: float
    default_tier: str
    op_thresholds: dict[str, float]
    op_tiers: dict[str, str]
    rollback_window_seconds: int


class Value(TypedDict):
    """One value of a thing, and who says so."""

    value: str
    actor: str
    source: str
    since: str
    citation: str


class Conflict(TypedDict):
    """A thing of which sources give different values."""

    entity_type: str
    name: str
    current: Value
    others: list[Value]


class Conflicts(TypedDict):
    """What contradicts itself."""

    notice: str
    conflicts: list[Conflict]
