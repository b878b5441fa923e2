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
_INSTEAD: Final[Mapping[str, str]] = {
    "evolution.gate.evaluated": "zaxy memory evolution-gate, or evolution_gate over MCP",
    "memory.corrected": "zaxy memory edit, or memory_edit over MCP",
    "memory.correction.proposed": "zaxy memory edit, or memory_edit over MCP",
    "memory.endorsed": "zaxy memory review --accept, or memory_review over MCP",
    "memory.rolled_back": "zaxy memory rollback, or memory_rollback over MCP",
    "memory.rollback.proposed": "zaxy memory rollback, or memory_rollback over MCP",
    "memory.forgotten": "zaxy memory forget, or memory_forget over MCP",
    "memory.reviewed": "zaxy memory review, or memory_review over MCP",
}


def refuse_governed(event_type: str) -> None:
    """Refuse a type whose events change the memory: each of them passes the gate, and a service writes it.

    Args:
        event_type: What somebody wants to append.

    Raises:
        InvalidInputError: It is one of them; the remedy names what to call.
    """
    if event_type in GOVERNED_EVENT_TYPES:
        raise InvalidInputError(
            f"events of the type {event_type} change the memory and are not appended by hand",
            remedy=f"use instead: {_INSTEAD.get(event_type, 'zaxy memory --help')}",
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
