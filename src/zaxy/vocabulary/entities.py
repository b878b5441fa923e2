"""What a knowledge graph says: things with what was observed of them, and how they are related to each other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from zaxy.eventloom.event import Event
from zaxy.vocabulary.facts import FACT
from zaxy.vocabulary.model import INTERNAL_ENTITY_TYPES, SINGLE_VALUED_ENTITY_TYPES, Extraction
from zaxy.vocabulary.payloads import Payload, parse, text
from zaxy.vocabulary.statements import Statements, entity_name, is_ended, joined, verb_of

_OTHER: Final = re.compile(r"[^A-Z0-9]+")
_ENDED: Final = frozenset({"ended", "retracted"})
_KIND: Final = "entity"


@dataclass(frozen=True, slots=True)
class EntityObserved(Payload):
    """``entity.*``: one thing that was observed of an entity. What was observed before stays so.

    Attributes:
        name: ``name``.
        entity_type: ``entity_type``: what kind of thing it is, such as "person".
    """

    name: str = text("name")
    entity_type: str = text("entity_type")


@dataclass(frozen=True, slots=True)
class RelationStated(Payload):
    """``relation.stated``; ``relation.ended`` says that it is no longer so.

    Attributes:
        source: ``source``: the name of the entity that it goes out from.
        source_type: ``source_type``: its kind.
        relation: ``relation``: what it is to the other, such as "works at".
        target: ``target``: the name of the entity that it leads to.
        target_type: ``target_type``: its kind.
        content: ``content``: the same as a sentence; by default the three words in order.
    """

    source: str = text("source", quiet=True)
    source_type: str = text("source_type", quiet=True)
    relation: str = text("relation", quiet=True)
    target: str = text("target", quiet=True)
    target_type: str = text("target_type", quiet=True)
    content: str = text("content", quiet=True)


def entity(event: Event) -> Extraction:
    """Return what an ``entity.*`` event means: that the thing is there, and what was observed of it."""
    told, statements = parse(EntityObserved, event.payload), Statements()
    statements.fact(_kind(told.entity_type), told.name, ended=is_ended(event, told))
    statements.actor(event.actor)
    return statements.extraction(joined(other=told.other))


def relation(event: Event) -> Extraction:
    """Return what a ``relation.*`` event means: that one thing is related to another, or no longer is.

    That is also a fact of its own, of which the latest statement counts: so what is no longer so is no answer.
    """
    told, statements = parse(RelationStated, event.payload), Statements()
    source = statements.mention(_kind(told.source_type), told.source)
    target = statements.mention(_kind(told.target_type), told.target)
    name = _OTHER.sub("_", told.relation.upper()).strip("_")
    ended = is_ended(event, told) or verb_of(event.event_type) in _ENDED
    statements.relate(source, entity_name(name) or "RELATED_TO", target, ended=ended)
    if source is not None and target is not None:
        statements.fact(FACT, f"{source.name} / {name} / {target.name}", ended=ended)
    statements.actor(event.actor)
    said = told.content or " ".join(part for part in (told.source, told.relation, told.target) if part)
    return statements.extraction(joined(f"no longer: {said}" if ended and said else said, other=told.other))


def _kind(told: str) -> str:
    """Return a kind of thing as an entity type; kinds that mean something of their own in a memory are not taken."""
    kind = entity_name(told).casefold().replace(":", "-")
    return _KIND if not kind or kind in INTERNAL_ENTITY_TYPES | SINGLE_VALUED_ENTITY_TYPES else kind
