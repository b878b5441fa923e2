"""The Eventloom v1 envelope: how a draft becomes a line, and its hash.

    hash = sha256(canonical({"event": <the envelope without "integrity">, "previousHash": <previous hash or null>}))

The texts are assembled from the payload's two encodings instead of encoding the whole envelope twice; a property test
holds this to the rule above.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from zaxy.errors import InvalidInputError, PayloadTooLargeError, ZaxyError
from zaxy.eventloom.canonical import encode_both, encode_string, stored
from zaxy.eventloom.event import SECURITY_KEY, SOURCE_KEY, Draft, Event
from zaxy.eventloom.origin import ORIGIN_KEY
from zaxy.eventloom.payload import CleanPayload, clean_payload
from zaxy.eventloom.sealing import LazySealer, Seal, hidden_key, no_sealer
from zaxy.eventloom.vault.cell import CIPHER_KEY
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
    """A draft that was checked and encoded: all that can be done before its place in the chain is known.

    Of a forgettable one the payload is made when its place is known; until then the fields for it are empty. An event
    that has one of the ``other_keys`` is the same event, recorded sealed where this one is not, or the reverse.
    """

    draft: Draft
    key: str | None
    payload: dict[str, object]
    payload_stored: str
    payload_sorted: str
    type_text: str
    actor_text: str
    parent_text: str
    causes_text: str
    other_keys: tuple[str, ...] = ()
    seal: Seal | None = None


def prepare_all(
    drafts: Sequence[Draft], *, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES, sealer: LazySealer | None = None
) -> list[PreparedEvent]:
    """As `prepare`, for all drafts of a commit. On return the keys of the forgettable ones are on disk.

    Raises:
        ZaxyError: As `prepare`; then no key was issued. As `Sealer.issue`.
    """
    prepared = [prepare(draft, max_event_bytes=max_event_bytes, sealer=sealer) for draft in drafts]
    places = [at for at, item in enumerate(prepared) if item.seal is not None]
    if places and sealer is not None:
        for at, key in zip(places, sealer.get().issue(len(places)), strict=True):
            seal = prepared[at].seal
            assert seal is not None, "only forgettable drafts were chosen"
            prepared[at] = replace(prepared[at], seal=replace(seal, key=key))
    return prepared


def prepare(
    draft: Draft, *, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES, sealer: LazySealer | None = None
) -> PreparedEvent:
    """Check a draft, replace the secrets in it and encode it.

    Args:
        draft: What to record.
        max_event_bytes: Limit for the encoded payload, as it stands in the log.
        sealer: Seals forgettable payloads; None refuses them.

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
    clean = clean_payload(draft.payload, key=draft.key, origin=draft.origin)
    content = _sealed_later(clean, draft, sealer) if draft.forgettable else _plain(clean, draft, sealer)
    if content.size_bytes > max_event_bytes:
        raise PayloadTooLargeError(
            f"the payload of this {draft.event_type} is {content.size_bytes:,} bytes; the limit is {max_event_bytes:,}",
            remedy="store the large part elsewhere and record its path and hash, or raise EVENTLOOM_MAX_EVENT_BYTES",
        )
    return PreparedEvent(
        draft=draft,
        key=content.key,
        payload=content.payload,
        payload_stored=content.stored,
        payload_sorted=content.sorted,
        type_text=encode_string(draft.event_type),
        actor_text=encode_string(actor),
        parent_text="null" if draft.parent_event_id is None else encode_string(draft.parent_event_id),
        causes_text=stored(list(draft.caused_by)) if draft.caused_by else "[]",
        other_keys=content.other_keys,
        seal=content.seal,
    )


class _Content(NamedTuple):
    """What of a prepared event comes from its payload."""

    key: str | None
    other_keys: tuple[str, ...]
    payload: dict[str, object]
    stored: str
    sorted: str
    size_bytes: int
    seal: Seal | None = None


def _plain(clean: CleanPayload, draft: Draft, sealer: LazySealer | None) -> _Content:
    encoded, sorted_form = encode_both(clean.value, simple=clean.simple)
    hidden = None if sealer is None or draft.key is None else sealer.hidden(draft.key)
    other_keys = () if hidden is None else (hidden,)
    return _Content(clean.key, other_keys, clean.value, encoded, sorted_form, len(encoded))


def _sealed_later(clean: CleanPayload, draft: Draft, sealer: LazySealer | None) -> _Content:
    if sealer is None:
        raise no_sealer()
    beside = {ORIGIN_KEY: clean.value[ORIGIN_KEY]} if ORIGIN_KEY in clean.value else {}
    hidden: str | None = None
    other_keys: tuple[str, ...] = ()
    if draft.key is not None and clean.key is not None:
        hidden, other_keys = hidden_key(draft.key, sealer.get().naming_secret()), (clean.key,)
        beside[SOURCE_KEY] = hidden
    beside[SECURITY_KEY] = {"sensitivity": "restricted", "redacted_paths": []}  # names of members are sealed as well
    told = {name: part for name, part in clean.value.items() if name not in (ORIGIN_KEY, SOURCE_KEY, CIPHER_KEY)}
    encoded, _ = encode_both(told, simple=clean.simple)
    seal = Seal(sealer.get(), encoded.encode("ascii"), beside)
    return _Content(hidden, other_keys, {}, "", "", seal.size_bytes, seal)


def discard_unused(prepared: Sequence[PreparedEvent], added: Sequence[bool]) -> None:
    """Delete the keys of drafts that the log held already; where that fails they stay, and no event needs them."""
    seals = [item.seal for item, is_new in zip(prepared, added, strict=True) if item.seal is not None and not is_new]
    if seals:
        with contextlib.suppress(ZaxyError):
            seals[0].sealer.discard([seal.key.key_id for seal in seals if seal.key is not None])


def sealed_in_place(prepared: PreparedEvent, session_id: str, seq: int) -> PreparedEvent:
    """Return a forgettable event with the payload that stands in the log; any other as it is."""
    if prepared.seal is None:
        return prepared
    payload = prepared.seal.payload(session_id, seq, prepared.draft.event_type)
    encoded, sorted_form = encode_both(payload, simple=True)
    return replace(prepared, payload=payload, payload_stored=encoded, payload_sorted=sorted_form)


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
