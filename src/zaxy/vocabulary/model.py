"""What an event means, as plain values: its text, the things it states and how they are related."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from zaxy.eventloom.event import Event
from zaxy.ids import EventRef

MAX_TEXT_CHARACTERS: Final = 20_000
"""How much of one event is searchable; the rest stays in the log and is quoted from there."""

MAX_NAME_CHARACTERS: Final = 120

VOID: Final = -(1 << 62)
"""World moment before all others: an event that ends there counts as never said, and what it replaced holds again."""


class Role(StrEnum):
    """Why an event names an entity."""

    FACT = "fact"
    """The event says what is so about the entity; the latest such event is its current state."""

    MENTION = "mention"
    """The event only shows that the entity exists (a speaker, a tool): a way to reach facts, never an answer."""


class EventClass(StrEnum):
    """What a reader may do with an event of this type."""

    MEMORY = "memory"
    HOUSEKEEPING = "housekeeping"
    """The memory's own bookkeeping: in the log and in replay, left out of recall unless asked for."""


@dataclass(frozen=True, slots=True)
class EntityRef:
    """Names an entity: two events that give the same type and the same folded name speak of the same thing."""

    entity_type: str
    name: str

    @property
    def key(self) -> str:
        """``<type>:<name, case-folded, white space collapsed>``: what equality goes by, in every store."""
        return f"{self.entity_type}:{' '.join(self.name.split()).casefold()}"


@dataclass(frozen=True, slots=True)
class EntityStatement:
    """One event's statement about one entity.

    Attributes:
        entity: Which entity.
        role: Whether this is a fact or a mention.
        status: The state it says the entity is in (``open``, ``done`` ...), empty when it says none.
        ended: True when the event says that the entity is no longer so from its time on.
    """

    entity: EntityRef
    role: Role = Role.FACT
    status: str = ""
    ended: bool = False


@dataclass(frozen=True, slots=True)
class RelationStatement:
    """One event's statement that ``source`` is related to ``target``, such as ``OWNS`` or ``PART_OF``.

    Both ends must be among the entities of the same extraction.
    """

    source: EntityRef
    relation: str
    target: EntityRef
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Invalidation:
    """One event's statement that another event's content stops being so.

    Attributes:
        session_id: The session of the event that is ended.
        seq: Its sequence number.
        moment: From when on, in the world's time, microseconds since 1970 UTC; `VOID` for "as if never said".
        lifted: True takes back one ending of that event with this moment, instead of adding one.
        known_from: From when on that counts as known (microseconds), where it is earlier than when the log learned the
            event that says so; None where it is not.
    """

    session_id: str
    seq: int
    moment: int
    lifted: bool = False
    known_from: int | None = None


@dataclass(frozen=True, slots=True)
class Extraction:
    """Everything that projections need to know of one event.

    Attributes:
        text: What can be searched, at most ``MAX_TEXT_CHARACTERS``.
        event_class: Memory or housekeeping.
        entities: Statements about entities, each entity once.
        relations: Statements about relations between those entities.
        invalidations: Which other events this one ends, or no longer ends.
        derived_from: Which events it was made from.
        erased: Of which events nothing may be left in any store.
    """

    text: str
    event_class: EventClass = EventClass.MEMORY
    entities: tuple[EntityStatement, ...] = ()
    relations: tuple[RelationStatement, ...] = ()
    invalidations: tuple[Invalidation, ...] = ()
    derived_from: tuple[EventRef, ...] = ()
    erased: tuple[EventRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Meaning:
    """An event together with its extraction: what the runner hands to each projection.

    Attributes:
        event: The event as it is meant: a sealed payload opened, a correction in the place of what it corrects.
        extraction: What that means.
        restored: The events of which it takes back an ending, so that a store that lacks them can find them again.
        trust: How far its source is trusted: larger is more.
        opened: Whether its payload is sealed in the log and could be read.
    """

    event: Event
    extraction: Extraction
    restored: tuple[Meaning, ...] = ()
    trust: int = 0
    opened: bool = False


SINGLE_VALUED_ENTITY_TYPES: Final = frozenset({"preference", "policy", "fact"})
"""Entity types of which one statement at a time is so: an earlier one is history once a later one is known."""

INTERNAL_ENTITY_TYPES: Final = frozenset({"proposal", "event"})
"""Entity types of the memory's own: what waits for review, and what was made from what. Never part of an answer."""

GOVERNED_EVENT_TYPES: Final = frozenset(
    {
        "evolution.gate.evaluated",
        "memory.corrected",
        "memory.correction.proposed",
        "memory.endorsed",
        "memory.rolled_back",
        "memory.rollback.proposed",
        "memory.forgotten",
        "memory.reviewed",
    }
)
"""Event types that change what other events say: only the gate's own commands record them."""
