"""Memories of mem0: what its ``get_all``, ``search`` and ``history`` give, saved as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from zaxy.eventloom.event import Draft
from zaxy.services.capture.importers.elements import Element
from zaxy.services.capture.importers.taking import FileImporter, identity_of, kept, related, required, text_of, time_of
from zaxy.services.capture.intake import Parsed, Report, text_digest

_NAMES: Final = ("*.json", "*.jsonl")
_ACTOR: Final = "mem0"
_OWNERS: Final = ("user_id", "agent_id", "app_id", "run_id")


def _parse(session_id: str, element: Element, report: Report) -> Iterator[Parsed]:
    """Yield one event a memory, relation or step of a memory's history.

    A memory is a fact about its owner under its own id, so that a later version of it takes the place of the earlier.

    Raises:
        ValueError: It is none of these.
    """
    record = element.value
    if text_of(record, "source") and text_of(record, "relationship", "relation"):
        source, relation = required(record, "source"), required(record, "relationship", "relation")
        target = required(record, "target", "destination")
        yield session_id, related(_ACTOR, source, relation, target, occurred_at=time_of(record, "created_at"))
    elif "event" in record and "memory_id" in record:
        step = _step(record)
        if step is None:
            report.ignore("step of a history that changes nothing")
        else:
            yield session_id, step
    else:
        identity = identity_of(record, "id", "memory_id")
        content = required(record, "memory", "text", "data")
        time = time_of(record, "updated_at", "created_at")
        yield session_id, _fact(record, identity or text_digest(content)[:16], content, time)


def _fact(record: Mapping[str, Any], identity: str, content: str, time: str) -> Draft:
    metadata, categories = record.get("metadata"), record.get("categories")
    payload = {
        "subject": text_of(record, *_OWNERS) or "mem0",
        "attribute": f"memory {identity}",
        "value": content,
        **kept(
            occurred_at=time,
            created_at=time_of(record, "created_at"),
            metadata=metadata if isinstance(metadata, dict) else None,
            categories=categories if isinstance(categories, list) else None,
        ),
    }
    return Draft("fact.stated", _ACTOR, payload, f"mem0:{identity}:{text_digest(content)[:16]}:{time}")


def _step(record: Mapping[str, Any]) -> Draft | None:
    """Return one step of a memory's history, or None for one that changes nothing."""
    identity, kind = identity_of(record, "memory_id"), text_of(record, "event").upper()
    time = time_of(record, "updated_at", "created_at")
    if kind == "DELETE" or record.get("is_deleted") in (True, 1):
        payload = {
            "subject": text_of(record, *_OWNERS, "actor_id") or "mem0",
            "attribute": f"memory {identity}",
            **kept(occurred_at=time),
        }
        return Draft("fact.retracted", _ACTOR, payload, f"mem0:{identity}:deleted:{time}")
    content = text_of(record, "new_memory")
    return _fact(record, identity, content, time) if kind in ("ADD", "UPDATE") and content else None


ingest_mem0: Final = FileImporter(_NAMES, lambda session, _elements: partial(_parse, session), session="mem0")
"""Records memories of mem0: a list, an object with ``results`` or ``memories`` (and ``relations``), or lines."""
