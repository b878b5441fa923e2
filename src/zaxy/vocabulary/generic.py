"""Events of types that the vocabulary does not know: still found by their words, still things of their kind."""

from __future__ import annotations

from dataclasses import dataclass

from zaxy.eventloom.event import Event
from zaxy.vocabulary.model import INTERNAL_ENTITY_TYPES, Extraction
from zaxy.vocabulary.payloads import Payload, encodable, everything, label, parse, text
from zaxy.vocabulary.statements import Statements, entity_name, is_ended, joined


@dataclass(frozen=True, slots=True)
class GenericPayload(Payload):
    """The payload of any other event. Its thing is of the kind that the event type's first part names.

    Attributes:
        title: ``title``, ``name``: names the thing.
        identifier: ``id``: names it when it has no title; by default the first text or number of the payload does.
        status: ``status``, ``state``.
    """

    title: str = text("title", "name")
    identifier: str = label("id")
    status: str = text("status", "state")


def generic(event: Event) -> Extraction:
    """Return what an event of an unknown type means: a thing of that kind, and every text and number as its text.

    Of the kinds of things that the memory keeps for itself it states none: nobody closes a proposal by speaking of it.
    """
    told, statements = parse(GenericPayload, event.payload), Statements()
    said = everything(event.payload)
    name = told.title or told.identifier or (said[0] if said else "")
    kind = entity_name(encodable(event.event_type.partition(".")[0]))
    if kind.partition(":")[0] not in INTERNAL_ENTITY_TYPES:  # a kind that another program wrote may hold a colon
        statements.fact(kind, name, status=told.status, ended=is_ended(event, told))
    statements.actor(event.actor)
    return statements.extraction(joined(other=said))
