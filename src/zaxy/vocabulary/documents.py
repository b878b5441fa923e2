"""Documents that were read into the memory, a passage an event."""

from __future__ import annotations

from dataclasses import dataclass

from zaxy.eventloom.event import Event
from zaxy.vocabulary.model import Extraction
from zaxy.vocabulary.payloads import Payload, parse, text
from zaxy.vocabulary.statements import Statements, is_ended, joined


@dataclass(frozen=True, slots=True)
class Document(Payload):
    """``document.*``. All passages of a document name the same entity.

    Attributes:
        path: ``path``, ``file_path``, ``file``, ``uri``, ``url``, ``source``: where it is from; names it.
        title: ``title``, ``name``: names it when it is from nowhere.
    """

    path: str = text("path", "file_path", "file", "uri", "url", "source")
    title: str = text("title", "name")


def document(event: Event) -> Extraction:
    """Return what a ``document.*`` event means: that the document is there, and what its passage says."""
    told, statements = parse(Document, event.payload), Statements()
    statements.fact("document", told.path or told.title, ended=is_ended(event, told))
    statements.actor(event.actor)
    return statements.extraction(joined(other=told.other))
