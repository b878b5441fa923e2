"""Putting together what one event states: each entity once, each relation between two of them, and a bounded text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from zaxy.eventloom.event import Event
from zaxy.vocabulary.model import (
    MAX_NAME_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    EntityRef,
    EntityStatement,
    Extraction,
    RelationStatement,
    Role,
)
from zaxy.vocabulary.payloads import Payload, encodable

ACTOR: Final = "actor"
"""Entity type of whoever does, says or is given something: a person, an agent, a program."""

_ENDING_VERBS: Final = frozenset({"retracted", "removed", "deleted"})


def verb_of(event_type: str) -> str:
    """Return the last part of an event type: ``created`` of ``goal.created``."""
    return event_type.rpartition(".")[2]


def is_ended(event: Event, told: Payload) -> bool:
    """Return whether an event says that its subject is no longer so: by ``"ended": true`` or by its type."""
    return told.ended is True or verb_of(event.event_type) in _ENDING_VERBS


def entity_name(told: str) -> str:
    """Return a text as an entity's name: white space collapsed, at most ``MAX_NAME_CHARACTERS``.

    A longer text keeps its beginning and ends in a digest of the whole, so that two long paths or sentences that
    begin alike remain two things.
    """
    name = " ".join(told.split())
    if len(name) <= MAX_NAME_CHARACTERS:
        return name
    digest = blake2b(name.casefold().encode("utf-8"), digest_size=4).hexdigest()
    return f"{name[: MAX_NAME_CHARACTERS - len(digest) - 1]}~{digest}"


def joined(*parts: str, other: Iterable[str] = ()) -> str:
    """Return the parts that are not empty, one a line, cut to ``MAX_TEXT_CHARACTERS``."""
    return "\n".join(part for part in (*parts, *other) if part)[:MAX_TEXT_CHARACTERS]


@lru_cache(maxsize=4_096)
def actor_mention(actor: str) -> tuple[EntityStatement, ...]:
    """Return the mention of an actor, or nothing for an actor without a name."""
    name = entity_name(encodable(actor))
    return (EntityStatement(EntityRef(ACTOR, name), Role.MENTION),) if name else ()


class Statements:
    """Collects what one event states. Things without a name, and relations to them, are passed over."""

    def __init__(self) -> None:
        self._entities: dict[str, EntityStatement] = {}
        self._relations: dict[RelationStatement, None] = {}

    def fact(self, entity_type: str, told: str, *, status: str = "", ended: bool = False) -> EntityRef | None:
        """State what is so about an entity; the first fact about it stands, and stands before any mention."""
        entity = self.mention(entity_type, told)
        if entity is not None and self._entities[entity.key].role is Role.MENTION:
            self._entities[entity.key] = replace(
                self._entities[entity.key], role=Role.FACT, status=entity_name(status), ended=ended
            )
        return entity

    def mention(self, entity_type: str, told: str) -> EntityRef | None:
        """State that an entity exists, and return it as the event first spelled it."""
        name = entity_name(told)
        if not name:
            return None
        entity = EntityRef(entity_type, name)
        return self._entities.setdefault(entity.key, EntityStatement(entity, Role.MENTION)).entity

    def actor(self, told: str) -> EntityRef | None:
        """State that an actor exists."""
        return self.mention(ACTOR, encodable(told))

    def relate(self, source: EntityRef | None, relation: str, target: EntityRef | None, *, ended: bool = False) -> None:
        """State a relation between two entities of this event; nothing is related to itself."""
        if source is not None and target is not None and source != target:
            self._relations[RelationStatement(source, relation, target, ended)] = None

    def extraction(self, told: str) -> Extraction:
        """Return everything that was stated, with the text that can be searched."""
        return Extraction(told, entities=tuple(self._entities.values()), relations=tuple(self._relations))
