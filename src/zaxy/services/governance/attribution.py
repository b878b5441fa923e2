"""Who stands behind what is appended by hand, what it was made from, and which types it may not have."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping, Sequence
from typing import Final

from zaxy.errors import InvalidInputError
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import parse_citation
from zaxy.vocabulary.model import GOVERNED_EVENT_TYPES

_MOST_SOURCES: Final = 100
_OWN_KEYS: Final = ("memory.", "evolution.", "zaxy-forget:")
_INSTEAD: Final[Mapping[str, str]] = {
    "evolution.gate.evaluated": "zaxy memory evolution-gate, or evolution_gate over MCP",
    "memory.corrected": "zaxy memory edit, or memory_edit over MCP",
    "memory.correction.proposed": "zaxy memory edit, or memory_edit over MCP",
    "memory.endorsed": "zaxy memory review --accept, or memory_review over MCP",
    "memory.rolled_back": "zaxy memory rollback, or memory_rollback over MCP",
    "memory.rollback.proposed": "zaxy memory rollback, or memory_rollback over MCP",
    "memory.forgotten": "zaxy memory forget, or memory_forget over MCP",
    "memory.reviewed": "zaxy memory review, or memory_review over MCP",
    "memory.invalidated": "zaxy invalidate, or memory_invalidate over MCP",
    "memory.reinforcement": "zaxy invalidate, or memory_invalidate over MCP",
}
_BY_COMMAND: Final = GOVERNED_EVENT_TYPES | _INSTEAD.keys()


def refuse_governed(event_type: str) -> None:
    """Refuse a type whose events change the memory: each of them passes the gate, and a service writes it.

    A longer type that begins with one of them is refused too.

    Args:
        event_type: What somebody wants to append.

    Raises:
        InvalidInputError: It is one of them; the remedy names what to call.
    """
    governed = next((one for one in _BY_COMMAND if f"{event_type}.".startswith(f"{one}.")), None)
    if governed is not None:
        raise InvalidInputError(
            f"events of the type {event_type} change the memory and are not appended by hand",
            remedy=f"use instead: {_INSTEAD.get(governed, 'zaxy memory --help')}",
        )


def refuse_governed_key(key: str | None) -> None:
    """Refuse an idempotency key of the memory's own: whoever takes it first would stand in for a change to come.

    Args:
        key: What somebody wants an event to have.

    Raises:
        InvalidInputError: It begins like one of them.
    """
    if isinstance(key, str) and key.startswith(_OWN_KEYS):
        raise InvalidInputError(
            f"the key {key[:80]} begins like those of the memory's own events",
            remedy="begin it with the name of where the event comes from: <source>:<id>",
        )


def checked_sources(loom: Eventloom, citations: Sequence[str]) -> tuple[str, ...]:
    """Return the citations of the events that something was made from, each with its hash and once.

    Raises:
        InvalidInputError: A citation cannot be read, or there are more than a hundred.
        NotFoundError: There is no such event.
        IntegrityError: A cited event has another hash.
    """
    if len(citations) > _MOST_SOURCES:
        raise InvalidInputError(f"{len(citations):,} sources are named; {_MOST_SOURCES} at most")
    return tuple(dict.fromkeys(loom.resolve(parse_citation(citation)).citation for citation in citations))


def user_name() -> str:
    """Return the name of the user whose process this is, as the system has it; its number where it has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
