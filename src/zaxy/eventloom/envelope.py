"""The Eventloom v1 envelope: how a draft becomes a line, and its hash.

    hash = sha256(canonical({"event": <the envelope without "integrity">, "previousHash": <previous hash or null>}))

The texts are assembled from the payload's two encodings instead of encoding the whole envelope twice; a property test
holds this to the rule above.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zaxy.errors import InvalidInputError, PayloadTooLargeError
from zaxy.eventloom.canonical import encode_both, encode_string, stored
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.payload import clean_payload
from zaxy.ids import check_event_type

HASH_PREFIX: Final = "sha256:"
ENVELOPE_KEYS: Final = (
    "id",
    "type",
    "actorId",
    "threadId",
    "parentEventId",
    "causedBy",
    "timestamp",
    "payload",
    "integrity",
)
DEFAULT_MAX_EVENT_BYTES: Final = 1024 * 1024
MAX_ACTOR_CHARACTERS: Final = 256
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class PreparedEvent:
    """A draft that was checked and encoded: all that can be done before its place in the chain is known."""

    draft: Draft
    key: str | None
    payload: dict[str, object]
    payload_stored: str
    payload_sorted: str
    type_text: str
    actor_text: str
    parent_text: str
    causes_text: str


def prepare(draft: Draft, *, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> PreparedEvent:
    """Check a draft, replace the secrets in it and encode it.

    Args:
        draft: What to record.
        max_event_bytes: Limit for the encoded payload.

    Raises:
        InvalidInputError: The type, the actor or the payload cannot be sealed; the message says where.
        PayloadTooLargeError: The encoded payload is longer than the limit.
    """
    check_event_type(draft.event_type)
    actor = draft.actor
    if not isinstance(actor, str) or not actor.strip() or len(actor) > MAX_ACTOR_CHARACTERS:
        raise InvalidInputError(f"an actor is 1 to {MAX_ACTOR_CHARACTERS} characters of text, not {str(actor)[:80]!r}")
    if draft.parent_event_id is not None or draft.caused_by or not actor.isascii() or "\0" in actor:
        _check_texts(draft)
    clean = clean_payload(draft.payload, key=draft.key)
    encoded, sorted_form = encode_both(clean.value, simple=clean.simple)
    if len(encoded) > max_event_bytes:
        raise PayloadTooLargeError(
            f"the payload of this {draft.event_type} is {len(encoded):,} bytes; the limit is {max_event_bytes:,}",
            remedy="store the large part elsewhere and record its path and hash, or raise EVENTLOOM_MAX_EVENT_BYTES",
        )
    return PreparedEvent(
        draft=draft,
        key=clean.key,
        payload=clean.value,
        payload_stored=encoded,
        payload_sorted=sorted_form,
        type_text=encode_string(draft.event_type),
        actor_text=encode_string(actor),
        parent_text="null" if draft.parent_event_id is None else encode_string(draft.parent_event_id),
        causes_text=stored(list(draft.caused_by)) if draft.caused_by else "[]",
    )


def _check_texts(draft: Draft) -> None:
    causes = draft.caused_by
    if isinstance(causes, (str, bytes)) or not isinstance(causes, Sequence):
        raise InvalidInputError("caused_by is a list of event ids")
    parent = () if draft.parent_event_id is None else (draft.parent_event_id,)
    for text in (draft.actor, *parent, *causes):
        if not isinstance(text, str) or "\0" in text or (not text.isascii() and _SURROGATE.search(text)):
            raise InvalidInputError("actor, parent event id and causes must be valid text")


def seal(
    prepared: PreparedEvent,
    *,
    session_id: str,
    seq: int,
    previous: str | None,
    recorded_at: str,
    suffix: str | None = None,
    durable: bool = True,
) -> tuple[bytes, Event]:
    """Give a prepared event its place in the chain.

    Args:
        prepared: What to seal.
        session_id: The log's name.
        seq: Its sequence number.
        previous: 64 hexadecimal digits of the record before, or None for the first.
        recorded_at: RFC 3339 UTC with microseconds.
        suffix: 16 random hexadecimal digits for the event's id; made here when not given.
        durable: Whether the caller syncs the line before it hands the event out.

    Returns:
        The line with its newline, and the event.
    """
    event_id = f"evt_zaxy_{seq:012d}_{suffix or secrets.token_hex(8)}"
    thread = encode_string(session_id)
    previous_text = "null" if previous is None else f'"{HASH_PREFIX}{previous}"'
    hashed = (
        f'{{"event":{{"actorId":{prepared.actor_text},"causedBy":{prepared.causes_text},"id":"{event_id}",'
        f'"parentEventId":{prepared.parent_text},"payload":{prepared.payload_sorted},"threadId":{thread},'
        f'"timestamp":"{recorded_at}","type":{prepared.type_text}}},"previousHash":{previous_text}}}'
    )
    digest = hashlib.sha256(hashed.encode("ascii")).hexdigest()
    line = (
        f'{{"id":"{event_id}","type":{prepared.type_text},"actorId":{prepared.actor_text},"threadId":{thread},'
        f'"parentEventId":{prepared.parent_text},"causedBy":{prepared.causes_text},"timestamp":"{recorded_at}",'
        f'"payload":{prepared.payload_stored},'
        f'"integrity":{{"hash":"{HASH_PREFIX}{digest}","previousHash":{previous_text}}}}}\n'
    )
    draft = prepared.draft
    event = Event(
        seq,
        event_id,
        draft.event_type,
        draft.actor,
        session_id,
        prepared.payload,
        recorded_at,
        HASH_PREFIX + digest,
        None if previous is None else HASH_PREFIX + previous,
        draft.parent_event_id,
        tuple(draft.caused_by),
        durable,
    )
    return line.encode("ascii"), event
