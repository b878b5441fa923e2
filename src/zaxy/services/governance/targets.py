"""Finding the event that a change is about, however a caller names it."""

from __future__ import annotations

import re
from typing import Final

from zaxy.errors import IntegrityError, InvalidInputError, NotFoundError
from zaxy.eventloom.event import Event
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import CITED_HASH_DIGITS, EventRef, check_session_id, parse_citation

_HASH: Final = re.compile(r"(?:sha256:)?([0-9a-f]{12,64})", re.ASCII)


def find_target(
    loom: Eventloom,
    *,
    seq: int | None = None,
    hash: str | None = None,  # noqa: A002 -- the name that callers of zaxy-memory 3.x use
    session_id: str | None = None,
    citation: str | None = None,
    default_session: str | None = None,
) -> Event:
    """Return the event that a caller names: by a citation, or by its number and session.

    Args:
        loom: Where it stands.
        seq: Its sequence number.
        hash: Its hash, or at least its first 12 digits, with or without ``sha256:``; None leaves it unchecked.
        session_id: The session of ``seq``.
        citation: ``eventloom://<session>/events/<seq>#<hash prefix>``, instead of a number.
        default_session: The session of ``seq`` when none is named and ``hash`` tells which event is meant.

    Raises:
        InvalidInputError: Neither or both were named, a bare number without its session, or a value that is none.
        NotFoundError: There is no such event.
        IntegrityError: The event there has another hash.
    """
    digest = _digest(hash)
    if citation is not None:
        if seq is not None:
            raise InvalidInputError("a target is named by a citation or by a number, not by both")
        cited = parse_citation(citation)
        event = loom.resolve(cited)
        return _checked(event, digest)
    if seq is None:
        raise InvalidInputError(
            "no target was named", remedy="give a citation, or a sequence number with its session (--session-id)"
        )
    if type(seq) is not int or seq < 1:
        raise InvalidInputError(f"{seq!r} is not a sequence number", remedy="they count from 1")
    session = session_id if session_id is not None else default_session if digest else None
    if session is None:
        raise InvalidInputError(
            f"the number {seq} alone does not name an event: every session has one",
            remedy="add --session-id, or the event's hash, or give its citation",
        )
    event_at = loom.read(EventRef(check_session_id(session), seq))
    if event_at is None:
        raise NotFoundError(
            f"there is no event {seq} in session {session}", remedy="see which sessions exist: zaxy memory status"
        )
    return _checked(event_at, digest)


def _checked(event: Event, digest: str) -> Event:
    if not event.hash.removeprefix("sha256:").startswith(digest):
        raise IntegrityError(
            f"event {event.seq} of session {event.session_id} has the hash {event.hash}, not {digest}",
            remedy=f"look at it: zaxy memory show {event.citation}",
        )
    return event


def _digest(told: str | None) -> str:
    if told is None:
        return ""
    match = _HASH.fullmatch(told.strip().lower()) if isinstance(told, str) else None
    if match is None:
        raise InvalidInputError(
            f"{str(told)[:80]!r} is not a hash", remedy=f"give its 64 digits, or at least the first {CITED_HASH_DIGITS}"
        )
    return match[1]
