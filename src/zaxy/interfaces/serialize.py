"""The one serializer: the same answer is the same JSON, whichever way it was asked for."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from zaxy.errors import ZaxyError
from zaxy.eventloom.event import Event
from zaxy.services.operations.inspection import LoomStatus


def to_json(value: Any) -> Any:
    """Return a result of any service as plain JSON values: objects by their attributes, in their order."""
    if isinstance(value, Event):
        return _event(value)
    if isinstance(value, LoomStatus):
        return {"ok": value.ok, **_members(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _members(value)
    if isinstance(value, Mapping):
        return {str(name): to_json(part) for name, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [to_json(part) for part in value]
    return str(value) if isinstance(value, Path) else value


def _members(value: Any) -> dict[str, Any]:
    return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}


def _event(event: Event) -> dict[str, Any]:
    return {
        "citation": event.citation,
        "session_id": event.session_id,
        "seq": event.seq,
        "event_id": event.id,
        "event_type": event.event_type,
        "actor": event.actor,
        "occurred_at": event.occurred_at,
        "recorded_at": event.recorded_at,
        "payload": to_json(event.payload),
        "hash": event.hash.removeprefix("sha256:"),
        "previous_hash": None if event.previous_hash is None else event.previous_hash.removeprefix("sha256:"),
        "parent_event_id": event.parent_event_id,
        "caused_by": list(event.caused_by),
        "durable": event.durable,
    }


def error_json(error: ZaxyError) -> dict[str, Any]:
    """Return an error as every interface shows it: a code, a sentence, what to do, and whether to try again."""
    return {
        "error": {
            "code": error.code,
            "message": error.message,
            "remedy": error.remedy,
            "retryable": error.retryable,
        }
    }


def dump(value: Any) -> str:
    """Return a result as JSON text, indented by two."""
    plain = to_json(value)
    try:
        return orjson.dumps(plain, option=orjson.OPT_INDENT_2).decode("utf-8")
    except TypeError:  # integers beyond 64 bits in an older log, a path that is not UTF-8
        return json.dumps(plain, indent=2)
