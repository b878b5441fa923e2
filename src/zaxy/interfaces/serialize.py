"""The one serializer: the same answer is the same JSON, whichever way it was asked for."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from zaxy.errors import ZaxyError
from zaxy.eventloom.event import RESERVED_PREFIX, Event
from zaxy.ids import parse_citation
from zaxy.services.governance.correction import Corrected
from zaxy.services.governance.forgetting_plan import Plan
from zaxy.services.governance.forgetting_receipt import Receipt
from zaxy.services.governance.gate import Gated
from zaxy.services.governance.review import Reviewed
from zaxy.services.governance.rollback import RolledBack
from zaxy.services.operations.inspection import LoomStatus

_PLAIN: Final = frozenset((str, int, float, bool, type(None)))


def to_json(value: Any) -> Any:
    """Return a result of any service as plain JSON values: objects by their attributes, in their order."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    render = _RENDERERS.get(kind)
    if render is not None:
        return render(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _members(value)
    if isinstance(value, Mapping):
        return {str(name): to_json(part) for name, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [to_json(part) for part in value]
    return str(value) if isinstance(value, Path) else value


def _members(value: Any) -> dict[str, Any]:
    kind: Any = type(value)
    return {name: to_json(getattr(value, name)) for name in _member_names(kind)}


@functools.cache
def _member_names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


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


def _place(event: Event) -> dict[str, Any]:
    """Return how an event is named in the answer of a change."""
    digest = event.hash.removeprefix("sha256:")
    return {"citation": event.citation, "session_id": event.session_id, "seq": event.seq, "hash": digest}


def _gated(event: Event) -> dict[str, Any]:
    """Return a gate's decision as its event tells it."""
    told = {name: part for name, part in event.payload.items() if not name.startswith(RESERVED_PREFIX)}
    return {**to_json(told), "citation": event.citation}


def _changed(done: Corrected | RolledBack) -> dict[str, Any]:
    what = "correction" if isinstance(done, Corrected) else "rollback"
    told = {} if done.event is None else done.event.payload
    waits = "waiting" if done.proposal is not None else "refused"
    return {
        "status": "applied" if done.event is not None else waits,
        f"{what}_id": told.get(f"{what}_id"),
        f"{what}_event": None if done.event is None else _place(done.event),
        "target": _place(done.target),
        "proposal": None if done.proposal is None else _place(done.proposal),
        **({} if isinstance(done, Corrected) else {"reverts": {"event_type": done.target.event_type}}),
        "gate": _gated(done.gate.event),
    }


def _reviewed(done: Reviewed) -> dict[str, Any]:
    applied = None if done.applied is None else _place(done.applied)
    return {"target": done.target, "decision": done.decision, "event": _place(done.event), "applied": applied}


def _plan(plan: Plan) -> dict[str, Any]:
    items = [
        {
            "citation": memory.citation,
            "events": [{"citation": planned.event.citation, "role": planned.role} for planned in memory.events],
        }
        for memory in plan.items
    ]
    return {"items": items, "unsealed": to_json(plan.unsealed), "left_out": plan.left_out}


_RENDERERS: Final[Mapping[type, Callable[[Any], Any]]] = {
    Event: _event,
    LoomStatus: lambda status: {"ok": status.ok, **_members(status)},
    Corrected: _changed,
    RolledBack: _changed,
    Gated: lambda gated: _gated(gated.event),
    Plan: _plan,
    Reviewed: _reviewed,
}


def forgotten_json(receipt: Receipt, gate: Event) -> dict[str, Any]:
    """Return what a forgetting did: the first memory's members as 3.x had them, then the receipt and its signed note.

    Args:
        receipt: What was done.
        gate: The gate's decision, which the receipt cites.
    """
    first = receipt.memories[0]
    return {
        "forget_id": first.forget_id,
        "forget_event": _cited(first.event, first.event_hash),
        "target": _cited(first.target.citation, first.target.hash),
        "cell_id": first.target.cell_id,
        "erased": True,
        "erased_at": receipt.erased_at,
        "gate": _gated(gate),
        "receipt": receipt.as_json(),
        "note": receipt.note,
    }


def _cited(citation: str, digest: str) -> dict[str, Any]:
    cited = parse_citation(citation)
    named = {"citation": citation, "session_id": cited.session_id, "seq": cited.seq}
    return {**named, "hash": digest.removeprefix("sha256:")}


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


def dump(value: Any, *, is_line: bool = False) -> str:
    """Return a result as JSON text: indented by two, or on one line.

    Args:
        value: The result.
        is_line: Whether it is one of many, a line each.
    """
    plain = to_json(value)
    try:
        return orjson.dumps(plain, option=0 if is_line else orjson.OPT_INDENT_2).decode("utf-8")
    except TypeError:  # integers beyond 64 bits in an older log, a path that is not UTF-8
        return json.dumps(plain, indent=None if is_line else 2)
