"""Events for the vocabulary's tests."""

from __future__ import annotations

from typing import Any

from zaxy.eventloom.event import Event
from zaxy.vocabulary.model import Extraction, Role
from zaxy.vocabulary.registry import extract

RECORDED_AT = "2026-03-02T10:00:00.000000Z"


def event_of(event_type: str, payload: dict[str, Any], *, actor: str = "alice", session_id: str = "work") -> Event:
    """Return a sealed event as the log would give it."""
    return Event(
        seq=7,
        id="evt_zaxy_000000000007_0123456789abcdef",
        event_type=event_type,
        actor=actor,
        session_id=session_id,
        payload=payload,
        recorded_at=RECORDED_AT,
        hash="sha256:" + "ab" * 32,
        previous_hash="sha256:" + "cd" * 32,
    )


def extracted(event_type: str, payload: dict[str, Any], *, actor: str = "alice") -> Extraction:
    """Return what such an event means."""
    return extract(event_of(event_type, payload, actor=actor))


def facts(extraction: Extraction) -> dict[str, str]:
    """Return ``type:name`` of each fact as it was written, and its status."""
    return {
        f"{one.entity.entity_type}:{one.entity.name}": one.status
        for one in extraction.entities
        if one.role is Role.FACT
    }


def mentions(extraction: Extraction) -> list[str]:
    """Return ``type:name`` of each mention, in order."""
    return [f"{one.entity.entity_type}:{one.entity.name}" for one in extraction.entities if one.role is Role.MENTION]


def ended(extraction: Extraction) -> list[str]:
    """Return ``type:name`` of each entity that the event ends, in order."""
    return [f"{one.entity.entity_type}:{one.entity.name}" for one in extraction.entities if one.ended]


def relations(extraction: Extraction) -> list[str]:
    """Return ``source RELATION target`` by their names, in order."""
    return [f"{one.source.name} {one.relation} {one.target.name}" for one in extraction.relations]
