"""From an event to a span: what kind of thing it is, and which members of its payload may leave the loom."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from zaxy.eventloom.event import Event
from zaxy.services.operations.trace_model import Kind, Seen, Span, span_id
from zaxy.vocabulary.activity import program_of
from zaxy.vocabulary.governed import STANDS_FOR
from zaxy.vocabulary.payloads import CIPHER_KEY
from zaxy.vocabulary.reading import FORGOTTEN, SEALED, VIEW_KEY, EventReader

_KINDS: Final[Mapping[str, Kind]] = {
    "coordination": Kind.COORDINATION,
    "coordination.mission.created": Kind.MISSION,
    "coordination.finding.reported": Kind.FINDING,
    "coordination.finding.reviewed": Kind.REVIEW,
    "coordination.finding.promoted": Kind.PROMOTION,
    "coordination.handoff": Kind.HANDOFF,
    "handoff": Kind.HANDOFF,
    "memory.reviewed": Kind.REVIEW,
    "memory.checkout.completed": Kind.CHECKOUT,
    "model.call.requested": Kind.MODEL_CALL,
    "tool.call.completed": Kind.TOOL_CALL,
    "tool.call.failed": Kind.TOOL_CALL,
    "command.completed": Kind.TOOL_CALL,
    "command.failed": Kind.TOOL_CALL,
    "file.edit.applied": Kind.TOOL_CALL,
    "transcript.turn": Kind.TRANSCRIPT,
}
"""Kinds by the beginning of an event type, in whole parts; the longest that fits counts."""

_ALWAYS: Final = ("finding_id", "handoff_id", "mission_id", "occurred_at", "worker_id")
_ATTRIBUTES: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.MISSION: ("objective", "status"),
    Kind.COORDINATION: ("claim_key", "conflict_id", "conflict_type", "finding_ids", "role", "source", "status"),
    Kind.FINDING: ("claim_key", "claim_value", "confidence", "status"),
    Kind.REVIEW: ("decision", "proposal_id", "review_id", "status"),
    Kind.PROMOTION: (),
    Kind.HANDOFF: ("status",),
    Kind.CHECKOUT: ("query", "source", "token_efficiency"),
    Kind.MODEL_CALL: ("agent", "model", "provider", "query", "role", "session_id", "sidechain", "source", "turn_index"),
    Kind.TOOL_CALL: (
        *("agent", "argument_keys", "arguments_redacted", "call_id", "duration_ms", "exit_code", "is_error"),
        *("operation", "path", "session_id", "sidechain", "status", "tool_name"),
    ),
    Kind.TRANSCRIPT: ("agent", "model", "query", "role", "session_id", "sidechain", "source", "turn_index"),
    Kind.EVENT: ("source",),
}
_QUERY: Final = "query"
_MAX_CHARACTERS: Final = 300
_MAX_MEMBERS: Final = 100
_NOTHING: Final[Mapping[str, Any]] = {}


@lru_cache(maxsize=4_096)
def kind_of(event_type: str) -> Kind:
    """Return what an event of a type is, where its payload says no more."""
    beginning = event_type
    while beginning:
        if beginning in _KINDS:
            return _KINDS[beginning]
        beginning = beginning.rpartition(".")[0]
    return Kind.EVENT


class SpanReader:
    """Reads events as a trace shows them.

    A payload that is sealed in the log stays out, also where this machine has its key: an export is a copy that
    forgetting does not reach.

    Args:
        reader: Gives events as they are meant.
        include_queries: Whether the text of queries may be exported.
    """

    def __init__(self, reader: EventReader, *, include_queries: bool) -> None:
        self._reader = reader
        self._names = {
            kind: tuple(name for name in (*_ALWAYS, *names) if include_queries or name != _QUERY)
            for kind, names in _ATTRIBUTES.items()
        }

    def see(self, raw: Event) -> Seen:
        """Return an event of the log as a trace shows it: a correction with the words that it puts in place.

        Args:
            raw: The event as the log holds it.
        """
        view = self._reader.view(raw)
        kind, view_kind = kind_of(raw.event_type), kind_of(view.event_type)
        state = view.payload.get(VIEW_KEY, _NOTHING)
        if self._is_sealed(raw, view):
            word = FORGOTTEN if state.get("state") == "forgotten" else SEALED
            return Seen(raw, kind, _NOTHING, {"payload": word})
        if kind is Kind.TRANSCRIPT and isinstance(view.payload.get("model"), str) and view.payload["model"]:
            kind = view_kind = Kind.MODEL_CALL
        attributes = self._attributes(view, view_kind)
        for name in ("state", "taint"):
            if name in state:
                attributes[f"memory_{name}"] = state[name]
        return Seen(raw, kind, view.payload, attributes)

    def _is_sealed(self, raw: Event, view: Event) -> bool:
        if CIPHER_KEY in raw.payload or CIPHER_KEY in view.payload:
            return True
        return raw.event_type in STANDS_FOR and self._reader.meaning(raw).opened

    def _attributes(self, view: Event, kind: Kind) -> dict[str, Any]:
        payload = view.payload
        found = {name: told for name in self._names[kind] if name in payload and (told := _told(payload[name])) != ()}
        if kind is Kind.TOOL_CALL:
            found |= _tool(view, found)
        return found


def span_of(seen: Seen, kind: Kind) -> Span:
    """Return the span of an event.

    Args:
        seen: The event.
        kind: What it is, as its neighbours have it.
    """
    raw = seen.raw
    mission = seen.told("mission_id")
    return Span(
        raw.actor,
        seen.attributes,
        raw.hash.removeprefix("sha256:"),
        raw.seq,
        raw.event_type,
        kind,
        f"{kind.value}:{mission[:_MAX_CHARACTERS]}" if mission else kind.value,
        raw.session_id,
        span_id(raw.session_id, raw.seq),
        raw.recorded_at,
    )


def _tool(view: Event, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is missing of a tool call's attributes: which tool, and the call's own id in the client."""
    payload, told = view.payload, {}
    if "tool_name" not in found:
        named = next((payload[name] for name in ("tool", "name") if isinstance(payload.get(name), str)), "")
        command = payload.get("command")
        named = named or (program_of(command) if isinstance(command, str) else "")
        if named:
            told["tool_name"] = _told(named)
    if "call_id" not in found and view.source_key is not None:
        told["call_id"] = _told(view.source_key.rpartition(":")[2])
    return told


def _told(value: object, *, is_nested: bool = False) -> Any:
    """Return a short text, a number, or a flat list or object of these; ``()`` for anything else."""
    if isinstance(value, str):
        return value if len(value) <= _MAX_CHARACTERS else f"{value[:_MAX_CHARACTERS]}\N{HORIZONTAL ELLIPSIS}"
    if value is None or isinstance(value, bool | int | float):
        return value
    if is_nested:
        return ()
    if isinstance(value, list):
        return [told for part in value[:_MAX_MEMBERS] if (told := _told(part, is_nested=True)) != ()]
    if isinstance(value, Mapping):
        parts = ((name, _told(part, is_nested=True)) for name, part in list(value.items())[:_MAX_MEMBERS])
        return {name: told for name, told in parts if told != ()}
    return ()
