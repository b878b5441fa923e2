"""What Zep and Graphiti give out, saved as JSON: threads and messages, episodes, and a graph with times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from zaxy.eventloom.event import Draft
from zaxy.services.capture.importers.elements import Element
from zaxy.services.capture.importers.taking import (
    FileImporter,
    identity_of,
    kept,
    objects_of,
    observed,
    required,
    text_of,
    time_of,
    turn,
)
from zaxy.services.capture.intake import Parsed, Report, safe_session_id, text_digest

_NAMES: Final = ("*.json", "*.jsonl")
_ACTOR: Final = "zep"
_OUTER: Final = ("thread_id", "session_id", "group_id", "graph_id")


def _names_of(elements: Iterable[Element]) -> dict[str, tuple[str, str]]:
    """Return name and label of each node by its id: an edge names its nodes by that, and may stand before them."""
    nodes = (element.value for element in elements if _is_node(element.value))
    return {identity_of(node, "uuid"): (text_of(node, "name"), _label(node)) for node in nodes}


def _is_edge(record: Mapping[str, Any]) -> bool:
    return "source_node_uuid" in record or "target_node_uuid" in record


def _is_node(record: Mapping[str, Any]) -> bool:
    return not _is_edge(record) and "name" in record and ("labels" in record or "summary" in record)


def _label(record: Mapping[str, Any]) -> str:
    labels = record.get("labels")
    told = labels if isinstance(labels, list) else []
    return next((label for label in told if isinstance(label, str) and label != "Entity"), "")


class _Reading:
    """Turns objects into events.

    Args:
        names: Name and label of each node by its id.
    """

    def __init__(self, names: Mapping[str, tuple[str, str]]) -> None:
        self._names = names

    def parse(self, element: Element, report: Report) -> Iterator[Parsed]:
        """Yield the events of one object.

        A message or episode is a turn in the session of its thread; a fact is a relation that is so from ``valid_at``
        and, where it has an ``invalid_at``, no longer so from then on; what is told of a node is an observation.

        Raises:
            ValueError: It is none of these.
        """
        record = element.value
        session_id = safe_session_id("-".join(("zep", text_of(record, *_OUTER) or "graph")))
        if isinstance(record.get("messages"), list):
            thread = safe_session_id(f"zep-{text_of(record, *_OUTER, 'uuid') or 'thread'}")
            for message in objects_of(record, "messages"):
                yield thread, _turn(message)
        elif _is_edge(record):
            yield from ((session_id, draft) for draft in self._edge(record))
        elif _is_node(record):
            if not text_of(record, "summary"):
                report.ignore("node without a summary")
            else:
                yield session_id, _node(record)
        else:
            yield session_id, _turn(record)

    def _edge(self, record: Mapping[str, Any]) -> Iterator[Draft]:
        identity = identity_of(record, "uuid") or text_digest(str(record.get("fact")))[:16]
        ends = [
            self._names.get(identity_of(record, f"{end}_node_uuid"), (text_of(record, f"{end}_node_name"), ""))
            for end in ("source", "target")
        ]
        (source, source_type), (target, target_type) = ends
        payload = kept(
            source=source,
            source_type=source_type,
            relation=text_of(record, "name"),
            target=target,
            target_type=target_type,
            content=required(record, "fact", "name"),
            created_at=time_of(record, "created_at"),
        )
        stated, ended = time_of(record, "valid_at", "created_at"), time_of(record, "invalid_at")
        yield Draft("relation.stated", _ACTOR, {**payload, **kept(occurred_at=stated)}, f"zep:{identity}")
        if ended:
            yield Draft("relation.ended", _ACTOR, {**payload, "occurred_at": ended}, f"zep:{identity}:ended:{ended}")


def _node(record: Mapping[str, Any]) -> Draft:
    content, name = text_of(record, "summary"), required(record, "name")
    identity = identity_of(record, "uuid") or text_digest(name)[:16]
    time = time_of(record, "updated_at", "created_at")
    return observed(_ACTOR, identity, name, _label(record), content, time=time)


def _turn(record: Mapping[str, Any]) -> Draft:
    content = required(record, "content", "data", "text")
    speaker = text_of(record, "name", "role", "role_type", "source_description", "source") or _ACTOR
    time = time_of(record, "valid_at", "created_at", "timestamp")
    identity = identity_of(record, "uuid", "message_id", "id") or text_digest(f"{speaker}\n{time}\n{content}")[:32]
    return turn(speaker[:200], content, time, f"zep:{identity}", role=text_of(record, "role_type", "role"))


ingest_zep: Final = FileImporter(_NAMES, lambda _session, elements: _Reading(_names_of(elements())).parse)
"""Records what Zep or Graphiti holds: lists, lines, or objects with ``threads``, ``messages``, ``episodes``, ``nodes``,
``edges`` or ``facts``.
"""
