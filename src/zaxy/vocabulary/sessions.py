"""The beginning and the end of a session, and what is said about it as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from zaxy.eventloom.event import Event
from zaxy.vocabulary.model import Extraction
from zaxy.vocabulary.payloads import CapturedPayload, encodable, parse
from zaxy.vocabulary.statements import Statements, is_ended, joined, verb_of

_STATUSES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("genesis", "started", "resumed", "opened"), "open"),
    **dict.fromkeys(("ended", "closed", "finished"), "ended"),
}


def session(event: Event) -> Extraction:
    """Return what a ``session.*`` event means: whether the session goes on; a summary of it only mentions it."""
    told, statements = parse(CapturedPayload, event.payload), Statements()
    name, ended = encodable(event.session_id), is_ended(event, told)
    status = _STATUSES.get(verb_of(event.event_type), "")
    if status or ended:
        statements.fact("session", name, status=status, ended=ended)
    else:
        statements.mention("session", name)
    statements.actor(event.actor)
    return statements.extraction(joined(f"session {name}", other=told.other))
