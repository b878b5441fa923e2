"""What people remember with one word, and the events that stand for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_TYPES: Final[Mapping[str, str]] = {
    "note": "note.made",
    "decision": "decision.made",
    "preference": "user.preference_changed",
    "fact": "fact.stated",
    "task": "task.created",
}
_BETWEEN: Final = " / "
"""Stands between a subject and its attribute, as where facts are shown."""

KINDS: Final = tuple(_TYPES)
"""The kinds of things that are remembered with one word."""


def remembered(kind: str, text: str, about: str = "") -> tuple[str, dict[str, str]]:
    """Return the type and the payload of the event that stands for what somebody wants remembered.

    Of a preference with a subject, and of a fact about ``subject / attribute``, a later value takes the place of the
    earlier one. Everything else stands beside what was said before.

    Args:
        kind: One of `KINDS`.
        text: What is remembered.
        about: Its subject, empty for none.
    """
    subject, _, attribute = (part.strip() for part in about.partition(_BETWEEN))
    if kind == "fact" and subject and attribute:
        told = {"subject": subject, "attribute": attribute, "value": text}
    elif kind == "preference" and about.strip():
        told = {"key": about.strip(), "value": text}
    else:
        told = {"content": text, **({"subject": about.strip()} if about.strip() else {})}
    return _TYPES[kind], told


def types_of(kind: str) -> str:
    """Return the glob of the types of events that a kind of thing is told by.

    Args:
        kind: One of `KINDS`.
    """
    event_type = _TYPES[kind]
    return event_type if event_type.startswith("user.") else f"{event_type.partition('.')[0]}.*"
