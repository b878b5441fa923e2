"""What an event means, as plain values: its text, the things it states and how they are related."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from zaxy.eventloom.event import Event

MAX_TEXT_CHARACTERS: Final = 20_000
"""How much of one event is searchable; the rest stays in the log and is quoted from there."""

MAX_NAME_CHARACTERS: Final = 120


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
        moment: From when on, in the world's time, microseconds since 1970 UTC.
    """

    session_id: str
    seq: int
    moment: int


@dataclass(frozen=True, slots=True)
class Extraction:
    """Everything that projections need to know of one event.

    Attributes:
        text: What can be searched, at most ``MAX_TEXT_CHARACTERS``.
        event_class: Memory or housekeeping.
        entities: Statements about entities, each entity once.
        relations: Statements about relations between those entities.
        invalidations: Which other events this one ends.
    """

    text: str
    event_class: EventClass = EventClass.MEMORY
    entities: tuple[EntityStatement, ...] = ()
    relations: tuple[RelationStatement, ...] = ()
    invalidations: tuple[Invalidation, ...] = ()


@dataclass(frozen=True, slots=True)
class Meaning:
    """An event together with its extraction: what the runner hands to each projection."""

    event: Event
    extraction: Extraction


SINGLE_VALUED_ENTITY_TYPES: Final = frozenset({"preference", "policy"})
"""Entity types of which one statement at a time is so: an earlier one is history once a later one is known."""
