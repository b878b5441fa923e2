"""Names of sessions, events and citations: how they are written, checked and read back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from zaxy.errors import InvalidInputError

_SESSION: Final = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,128}", re.ASCII)
_EVENT_TYPE: Final = re.compile(r"[a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+)+", re.ASCII)
_CITATION: Final = re.compile(
    r"eventloom://(?P<session>[^/]+)/events/(?P<seq>[1-9]\d{0,17})(?:#(?P<hash>[0-9a-f]{4,64}))?"
)
CITED_HASH_DIGITS: Final = 12


def check_session_id(session_id: object) -> str:
    """Return ``session_id`` if it may name a log: 1 to 128 of ``A-Z a-z 0-9 . _ -``, not starting with a dot.

    Raises:
        InvalidInputError: Anything else, such as ``..`` or ``a/b``.
    """
    if isinstance(session_id, str) and _SESSION.fullmatch(session_id):
        return session_id
    raise InvalidInputError(
        f"session id {str(session_id)[:80]!r} is not valid",
        remedy="use 1 to 128 letters, digits, dots, underscores or hyphens, not starting with a dot",
    )


def check_event_type(event_type: object) -> str:
    """Return ``event_type`` if it is lower-case, dot-delimited and has at least two parts: ``goal.created``.

    Raises:
        InvalidInputError: Anything else.
    """
    if isinstance(event_type, str) and len(event_type) <= 200 and _EVENT_TYPE.fullmatch(event_type):
        return event_type
    raise InvalidInputError(
        f"event type {str(event_type)[:80]!r} is not valid",
        remedy="use at least two lower-case parts joined by dots, such as goal.created",
    )


@dataclass(frozen=True, slots=True, order=True)
class EventRef:
    """Names one event of a loom by where it stands."""

    session_id: str
    seq: int


@dataclass(frozen=True, slots=True)
class Citation:
    """Names one sealed event: where it stands, and how its hash begins."""

    session_id: str
    seq: int
    hash_prefix: str = ""

    @property
    def ref(self) -> EventRef:
        """The event's place, without the hash."""
        return EventRef(self.session_id, self.seq)

    def __str__(self) -> str:
        return cite(self.session_id, self.seq, self.hash_prefix)


def cite(session_id: str, seq: int, digest: str) -> str:
    """Return ``eventloom://<session>/events/<seq>#<hash prefix>``.

    Args:
        session_id: The log's name.
        seq: The event's sequence number.
        digest: Its hash, with or without ``sha256:``; only the first 12 hexadecimal digits are kept.
    """
    prefix = digest.removeprefix("sha256:")[:CITED_HASH_DIGITS]
    return f"eventloom://{session_id}/events/{seq}#{prefix}" if prefix else f"eventloom://{session_id}/events/{seq}"


def parse_citation(text: str) -> Citation:
    """Return the parts of a citation.

    Raises:
        InvalidInputError: ``text`` does not have the form of one.
    """
    match = _CITATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise InvalidInputError(
            f"{str(text)[:120]!r} is not a citation",
            remedy="citations look like eventloom://work/events/12#9f2c41d07b3a",
        )
    return Citation(match["session"], int(match["seq"]), match["hash"] or "")
