"""Reading one line back: parse it strictly, check its hash, and say what kind of record it is.

Three kinds exist in the field: v1 (see `envelope`); legacy, whose hash covers eight top-level members; and flat v1, a
v1 record that was rewritten in the legacy layout and keeps its v1 hash. All three form one chain of 64-digit hashes.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from zaxy.errors import IntegrityError
from zaxy.eventloom.canonical import (
    BadJSONError,
    canonical,
    canonical_simple,
    decode,
    decode_loosely,
    decode_simple,
)
from zaxy.eventloom.envelope import ENVELOPE_KEYS, HASH_PREFIX
from zaxy.eventloom.event import SECURITY_KEY, Event

_EVENT_ID: Final = re.compile(r"evt_zaxy_(\d{12,18})_[0-9a-f]{16}", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_PLAIN: Final = rb"[ !#-\[\]-~]*"
_MIDDLE: Final = (
    rb'","type":"(' + _PLAIN + rb')","actorId":"(' + _PLAIN + rb')","threadId":"(' + _PLAIN + rb')",'
    rb'"parentEventId":(null|"' + _PLAIN + rb'"),'
    rb'"causedBy":(\[(?:"' + _PLAIN + rb'"(?:,"' + _PLAIN + rb'")*)?\]),"timestamp":"'
)
_PLAIN_MIDDLE: Final = re.compile(_MIDDLE)
"""What stands between the id and the time of a v1 line whose envelope holds no escapes."""

_PLAIN_LINE: Final = re.compile(
    rb'\{"id":"(evt_zaxy_(\d{12,18})_[0-9a-f]{16})' + _MIDDLE + rb"(" + _PLAIN + rb')",'
    rb'"payload":(\{.*\}),"integrity":\{"hash":"sha256:([0-9a-f]{64})",'
    rb'"previousHash":(null|"sha256:[0-9a-f]{64}")\}\}'
)
"""A v1 line whose envelope holds no escapes. Which payload it has, parsing decides."""

_ID_AT: Final = len(b'{"id":"')
_ID_DIGITS: Final = 16
_TIME_NAME: Final = b'"timestamp":"'
_TIME_LETTERS: Final = b"0123456789-:.+TZ"
_PAYLOAD_NAME: Final = b'","payload":'
_END: Final = b',"integrity":{"hash":"sha256:%b","previousHash":%b}}'
_END_LENGTH: Final = len(_END) - len(b"%b%b") + 64
_LONGEST_MIDDLE: Final = 1_024
"""A longer one (with many causes) is not kept in memory."""

_EMPTY_LIST: Final = 2
_QUOTED_PREFIX: Final = 1 + len(HASH_PREFIX)
_PREFIXED_LENGTH: Final = len(HASH_PREFIX) + 64
_LEGACY_HASHED: Final = ("seq", "timestamp", "type", "actor", "thread", "payload", "security", "prev_hash")
_FLAT_V1: Final = "eventloom.v1"


class BadRecordError(IntegrityError):
    """Raised when a line is not a sealed record.

    Args:
        finding: Short name of what is wrong, such as ``hash_mismatch``.
        message: The sentence.
    """

    code = "bad_record"

    def __init__(self, finding: str, message: str) -> None:
        super().__init__(message)
        self.finding = finding


class Record(NamedTuple):
    """One parsed line. A tuple, because verification makes one for every event.

    Attributes:
        seq: Its sequence number; None when the record does not carry one (a foreign id): its place decides.
        digest: 64 hexadecimal digits, as stored.
        previous: The digest of the record before, as stored, or None for the first.
        computed: The digest computed from the content.
        members: The parsed object (v1: without ``integrity``, which the attributes above hold).
        legacy: Whether it is in the legacy layout.
    """

    seq: int | None
    digest: str
    previous: str | None
    computed: str
    members: dict[str, Any]
    legacy: bool

    def event(self, session_id: str, seq: int) -> Event:
        """Return the record as an event of a session.

        Args:
            session_id: The session whose log holds it (its file's name, which is what citations use).
            seq: Its place in the chain.
        """
        members = self.members
        previous = None if self.previous is None else HASH_PREFIX + self.previous
        if not self.legacy:
            return Event(
                seq,
                members["id"],
                members["type"],
                members["actorId"],
                session_id,
                members["payload"],
                members["timestamp"],
                HASH_PREFIX + self.digest,
                previous,
                members["parentEventId"],
                tuple(members["causedBy"]),
            )
        payload = members["payload"]
        if members.get("security") is not None:
            payload = {**payload, SECURITY_KEY: members["security"]}
        return Event(
            seq,
            str(members.get("id") or f"evt_zaxy_{seq:012d}_{self.digest[:16]}"),
            members["type"],
            members["actor"],
            session_id,
            payload,
            members["timestamp"],
            HASH_PREFIX + self.digest,
            previous,
            members.get("parent_event_id"),
            tuple(members.get("caused_by") or ()),
        )


def read_record(line: bytes) -> Record:
    """Return the record in ``line`` (without its newline) and the hash that its content has.

    The caller compares `Record.computed` with `Record.digest`, and the chain.

    Raises:
        BadRecordError: The line is not a record: not in stored form, or without the members of one.
    """
    fast = _read_fast(line)
    if fast is not None:
        return fast
    try:
        if line.startswith(b'{"seq":'):
            return _legacy(decode_loosely(line))
        members, simple = decode(line)
        return _v1(members, simple=simple)
    except BadJSONError as error:
        raise BadRecordError(error.finding, error.message) from error


def _read_fast(line: bytes) -> Record | None:
    """Return the record in a plain v1 line; None for any other line.

    One pattern cuts the envelope, so that only the payload is parsed; the hashed form is put together from the pieces.
    Whatever is unusual (escapes in names, floats, another envelope) is left to the long way, which also says what is
    wrong with it.
    """
    match = _PLAIN_LINE.fullmatch(line)
    decoded = decode_simple(match[9]) if match is not None and b"\x7f" not in line else None
    if match is None or decoded is None:
        return None
    event_id, number, event_type, actor, thread, parent, causes, timestamp, _, digest, previous = match.groups()
    members, canonical_payload = decoded
    hashed = hashlib.sha256(
        b'{"event":{"actorId":"%b","causedBy":%b,"id":"%b","parentEventId":%b,"payload":%b,"threadId":"%b",'
        b'"timestamp":"%b","type":"%b"},"previousHash":%b}'
        % (actor, causes, event_id, parent, canonical_payload, thread, timestamp, event_type, previous)
    )
    envelope = {
        "id": event_id.decode(),
        "type": event_type.decode(),
        "actorId": actor.decode(),
        "threadId": thread.decode(),
        "parentEventId": None if parent == b"null" else parent[1:-1].decode(),
        "causedBy": orjson.loads(causes) if len(causes) > _EMPTY_LIST else [],
        "timestamp": timestamp.decode(),
        "payload": members,
    }
    before = None if previous == b"null" else previous[_QUOTED_PREFIX:-1].decode()
    return Record(int(number), digest.decode(), before, hashed.hexdigest(), envelope, legacy=False)


def sound_link(line: bytes, seq: int, digest: str | None) -> str | None:
    """Return the digest of a plain v1 line that is event ``seq``, follows ``digest`` and has the hash it names.

    None means that the line needs a closer look, not that it is bad. For checking whole logs: no record is made. How
    the line must begin and end is known, so that is compared; what stands between its id and its time is the same in
    most lines of a log, so that is taken apart once.
    """
    begin = b'{"id":"evt_zaxy_%012d_' % seq
    id_end = len(begin) + _ID_DIGITS
    time_end = line.find(b"{", id_end) - len(_PAYLOAD_NAME)
    time_at = line.rfind(_TIME_NAME, id_end, time_end) + len(_TIME_NAME)
    pieces = _cut_middle(line[id_end:time_at]) if 0 < time_at - id_end <= _LONGEST_MIDDLE else None
    time = line[time_at:time_end]
    if (
        pieces is None
        or not line.startswith(begin)
        or not line.startswith(_PAYLOAD_NAME, time_end)
        or not line[len(begin) : id_end].isalnum()
        or time.translate(None, _TIME_LETTERS)
    ):
        return None
    previous = b"null" if digest is None else b'"sha256:%b"' % digest.encode()
    payload = line[time_end + len(_PAYLOAD_NAME) : -(_END_LENGTH + len(previous))]
    decoded = None if b"\x7f" in payload else decode_simple(payload)
    if decoded is None:
        return None
    to_id, to_payload, to_time, to_previous = pieces
    hashed = (to_id, line[_ID_AT:id_end], to_payload, decoded[1], to_time, time, to_previous, previous, b"}")
    computed = hashlib.sha256(b"".join(hashed)).hexdigest()
    return computed if line.endswith(_END % (computed.encode(), previous)) else None


@lru_cache(maxsize=1_024)
def _cut_middle(middle: bytes) -> tuple[bytes, bytes, bytes, bytes] | None:
    """Return what stands around the id, the payload, the time and the previous hash in the hashed form of a record.

    Args:
        middle: What stands in its line from behind the id to the time.

    Returns:
        The four pieces, or None where this is not the plain form.
    """
    match = _PLAIN_MIDDLE.fullmatch(middle)
    if match is None:
        return None
    event_type, actor, thread, parent, causes = match.groups()
    return (
        b'{"event":{"actorId":"%b","causedBy":%b,"id":"' % (actor, causes),
        b'","parentEventId":%b,"payload":' % parent,
        b',"threadId":"%b","timestamp":"' % thread,
        b'","type":"%b"},"previousHash":' % event_type,
    )


def check_record(line: bytes) -> Record:
    """Return the record in ``line`` if its content has the hash it names.

    Raises:
        BadRecordError: As `read_record`, or the hash differs.
    """
    record = read_record(line)
    if record.computed != record.digest:
        raise BadRecordError("hash_mismatch", "the content does not have the hash that the record names")
    return record


def _bare(value: object, *, what: str) -> str:
    if type(value) is str and len(value) == _PREFIXED_LENGTH and value.startswith(HASH_PREFIX):
        return value[len(HASH_PREFIX) :]  # whether it is hexadecimal shows when it is compared with a computed hash
    raise BadRecordError("bad_envelope", f"{what} is not sha256: and 64 hexadecimal digits")


def _has_v1_types(members: dict[str, Any]) -> bool:
    return (
        type(members["payload"]) is dict
        and type(members["causedBy"]) is list
        and type(members["id"]) is str
        and type(members["type"]) is str
        and type(members["actorId"]) is str
        and type(members["threadId"]) is str
        and type(members["timestamp"]) is str
        and (members["parentEventId"] is None or type(members["parentEventId"]) is str)
    )


def _v1(members: dict[str, Any], *, simple: bool) -> Record:
    if tuple(members) != ENVELOPE_KEYS:
        raise BadRecordError("bad_envelope", "the record does not have exactly the members of the v1 envelope in order")
    integrity = members.pop("integrity")
    if type(integrity) is not dict or tuple(integrity) != ("hash", "previousHash"):
        raise BadRecordError("bad_envelope", "integrity does not hold exactly hash and previousHash")
    if not _has_v1_types(members):
        raise BadRecordError("bad_envelope", "a member of the envelope has the wrong type")
    previous_text = integrity["previousHash"]
    previous = None if previous_text is None else _bare(previous_text, what="previousHash")
    digest = _bare(integrity["hash"], what="hash")
    hashed = {"event": members, "previousHash": previous_text}
    encoded = canonical_simple(hashed) if simple else canonical(hashed)
    match = _EVENT_ID.fullmatch(members["id"])
    seq = int(match[1]) if match else None
    return Record(seq, digest, previous, hashlib.sha256(encoded).hexdigest(), members, legacy=False)


def _legacy(members: dict[str, Any]) -> Record:
    digest, previous = members.get("hash"), members.get("prev_hash")
    if not (
        type(members.get("seq")) is int
        and all(type(members.get(name)) is str for name in ("timestamp", "type", "actor"))
        and type(members.get("payload")) is dict
        and type(members.get("caused_by") or []) is list
        and isinstance(digest, str)
        and _DIGEST.fullmatch(digest)
        and (previous is None or (isinstance(previous, str) and _DIGEST.fullmatch(previous)))
    ):
        raise BadRecordError("bad_envelope", "a member of the legacy record is missing or has the wrong type")
    if members.get("envelope_version") == _FLAT_V1:
        hashed = _unflattened(members, previous)
    else:
        defaults = {"thread": "default", "prev_hash": None}
        hashed = {name: members.get(name, defaults.get(name)) for name in _LEGACY_HASHED}
        if hashed["security"] is None:
            del hashed["security"]
    computed = hashlib.sha256(canonical(hashed)).hexdigest()
    return Record(members["seq"], digest, previous, computed, members, legacy=True)


def _unflattened(members: dict[str, Any], previous: str | None) -> dict[str, Any]:
    """Return the v1 object that a flattened record was hashed as."""
    payload = dict(members["payload"])
    if members.get("security") is not None:
        payload[SECURITY_KEY] = members["security"]
    event = {
        "id": members.get("id"),
        "type": members["type"],
        "actorId": members["actor"],
        "threadId": members.get("thread", "default"),
        "parentEventId": members.get("parent_event_id"),
        "causedBy": members.get("caused_by") or [],
        "timestamp": members["timestamp"],
        "payload": payload,
    }
    return {"event": event, "previousHash": None if previous is None else HASH_PREFIX + previous}
