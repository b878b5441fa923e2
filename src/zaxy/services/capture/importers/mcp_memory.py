"""The file of the MCP reference memory server: a knowledge graph, one entity or relation a line."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from zaxy.services.capture.importers.elements import Element
from zaxy.services.capture.importers.taking import FileImporter, observed, related, required, text_of
from zaxy.services.capture.intake import Parsed, Report, text_digest

_NAMES: Final = ("memory.json", "memory.jsonl")
_ACTOR: Final = "mcp-memory"
_RELATION: Final = ("from", "relationType", "to")


def _parse(session_id: str, kinds: dict[str, str], element: Element, _report: Report) -> Iterator[Parsed]:
    """Yield one event an observation, or one for an entity without any; one a relation.

    Raises:
        ValueError: It is neither an entity nor a relation.
    """
    record = element.value
    kind = text_of(record, "type") or {"entities": "entity", "relations": "relation"}.get(element.name, "")
    if kind == "entity":
        name, entity_type = required(record, "name"), text_of(record, "entityType")
        kinds[name] = entity_type
        told = record.get("observations")
        observations = [one for one in told if isinstance(one, str) and one.strip()] if isinstance(told, list) else []
        for content in observations or [""]:
            yield session_id, observed(_ACTOR, text_digest(name)[:16], name, entity_type, content)
    elif kind == "relation":
        source, relation, target = (required(record, member) for member in _RELATION)
        types = {"source_type": kinds.get(source, ""), "target_type": kinds.get(target, "")}
        yield session_id, related(_ACTOR, source, relation, target, **types)
    else:
        raise ValueError("neither an entity nor a relation")


ingest_mcp_memory: Final = FileImporter(
    _NAMES, lambda session, _elements: partial(_parse, session, {}), session="mcp-memory"
)
"""Records the graph of an MCP reference memory server, its ``memory.json`` (or ``.jsonl``).

The file holds no times, so what it says counts from the import on. An observation that is gone from it stays: the file
does not say when it stopped being so.
"""
