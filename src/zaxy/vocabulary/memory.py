"""The memory's own bookkeeping, and the one kind of it that changes what is so: an invalidation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from zaxy.clock import parse_time
from zaxy.errors import InvalidInputError
from zaxy.eventloom.event import Event
from zaxy.ids import parse_citation
from zaxy.vocabulary.model import EventClass, Extraction, Invalidation
from zaxy.vocabulary.payloads import Payload, everything, mapping, parse, text, texts
from zaxy.vocabulary.statements import joined


@dataclass(frozen=True, slots=True)
class MemoryInvalidated(Payload):
    """``memory.invalidated``: what other events say stops being so.

    Attributes:
        targets: ``targets``: a list of citations, ``eventloom://<session>/events/<seq>#<hash prefix>``; what is not
            a citation is passed over.
        invalid_at: ``invalid_at``: from when on, RFC 3339; by default when the event occurred.
        entity: ``entity``: an object with ``type`` and ``name``, the thing that the targets spoke of.
        reason: ``reason``.
        gate: ``gate``: the citation of the decision that let it through.
    """

    targets: tuple[str, ...] = texts("targets")
    invalid_at: str = text("invalid_at", quiet=True)
    entity: Mapping[str, Any] | None = mapping("entity")
    reason: str = text("reason")
    gate: str = text("gate", quiet=True)


def housekeeping(event: Event) -> Extraction:
    """Return what an event of the memory's own means: a text for those who ask for it, and no entities."""
    return Extraction(joined(other=everything(event.payload)), EventClass.HOUSEKEEPING)


def invalidated(event: Event) -> Extraction:
    """Return what a ``memory.invalidated`` event means: which events it ends, and from when on."""
    told = parse(MemoryInvalidated, event.payload)
    moment = _moment(event, told.invalid_at)
    ended: dict[Invalidation, None] = {}
    for target in told.targets:
        try:
            cited = parse_citation(target)
        except InvalidInputError:
            continue
        ended[Invalidation(cited.session_id, cited.seq, moment)] = None
    return Extraction(
        joined(other=told.other),
        EventClass.HOUSEKEEPING,
        invalidations=tuple(ended),
    )


def reinforced(event: Event) -> Extraction:
    """Return what a ``memory.reinforcement`` event means.

    zaxy-memory 3.x records an invalidation so: kind ``invalidated``, targets by seq and hash in the same session, and
    the moment only at the end of ``source.invalidation_id`` (``invalidate:<type>:<name>@<time>``).
    """
    plain = housekeeping(event)
    payload = event.payload
    targets, source = payload.get("targets"), payload.get("source")
    if payload.get("kind") != "invalidated" or not isinstance(targets, list) or not isinstance(source, Mapping):
        return plain
    moment = _moment(event, str(source.get("invalidation_id", "")).rpartition("@")[2])
    ended: dict[Invalidation, None] = {}
    for target in targets:
        seq = target.get("seq") if isinstance(target, Mapping) else None
        if type(seq) is int and seq > 0:
            ended[Invalidation(event.session_id, seq, moment)] = None
    return replace(plain, invalidations=tuple(ended))


def _moment(event: Event, told: str) -> int:
    if told:
        try:
            return parse_time(told)
        except InvalidInputError:  # another program's event may hold anything there
            pass
    return event.occurred_moment
