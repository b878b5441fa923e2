"""What an event says in the words of its payload, and putting another text in the place of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from zaxy.eventloom.event import RESERVED_PREFIX, Event
from zaxy.eventloom.payload import clean_payload

_SPOKEN: Final = ("content", "text", "message")
_NOTHING: Final[tuple[Any, ...]] = (None, "", [], {})
_HEADLINES: Final = (
    "value",
    "title",
    "name",
    "summary",
    "decision",
    "goal",
    "task",
    "description",
    "rule",
    "statement",
)


def said(event: Event) -> str:
    """Return what an event says: the payload's own text where it has one, else its members as ``name: value`` lines."""
    spoken = _spoken_member(event.payload)
    if spoken is not None:
        return str(event.payload[spoken])
    shown = shown_members(event.payload)
    return "\n".join(f"{name}: {value}" for name, value in shown.items()) if shown else event.event_type


def shown_members(payload: Mapping[str, Any]) -> dict[str, str]:
    """Return the members of a payload that are shown to a reader, as text; what belongs to the log is none of them."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in payload.items()
        if not name.startswith(RESERVED_PREFIX) and name != "occurred_at" and value not in _NOTHING
    }


def replaced(payload: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return a payload that says another text.

    The payload's own text is replaced where it has one. Else, when every line is ``name: value`` with the name of a
    shown member, those members are; else the first member that a reader takes for what it is about.

    Args:
        payload: What was said.
        text: What is to be said instead.
    """
    spoken = _spoken_member(payload)
    if spoken is not None:
        return {**payload, spoken: text}
    members = _members_of(payload, text)
    if members:
        return {**payload, **members}
    headline = next((name for name in _HEADLINES if payload.get(name) not in _NOTHING), "content")
    return {**payload, headline: _typed(payload.get(headline, ""), text)}


def _spoken_member(payload: Mapping[str, Any]) -> str | None:
    return next((name for name in _SPOKEN if isinstance(payload.get(name), str) and payload[name]), None)


def _members_of(payload: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return the members that a text of ``name: value`` lines gives, empty when it is anything else.

    A line without a name goes on with the member before it, where that member had several lines before.
    """
    shown = shown_members(payload)
    told: dict[str, str] = {}
    last = ""
    for line in text.split("\n"):
        name, separator, value = line.partition(": ")
        if separator and name in shown and name not in told:
            told[name], last = value, name
        elif last and "\n" in shown[last]:
            told[last] += f"\n{line}"
        elif line.strip():
            return {}
    return {name: _typed(payload[name], value) for name, value in told.items()}


def _typed(before: object, value: str) -> Any:
    """Return a value as JSON where the member held something other than text before and a log could hold the value."""
    if isinstance(before, str):
        return value
    try:
        return clean_payload({"value": json.loads(value)}).value["value"]
    except (ValueError, RecursionError):
        return value
