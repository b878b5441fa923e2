"""Checking whole logs takes a short way through plain lines: it must accept nothing that the long way refuses."""

from __future__ import annotations

import contextlib
import hashlib
import json
from random import Random
from typing import Any

import orjson
import pytest
from eventloom_lines import v1_line

from zaxy.eventloom.envelope import prepare, seal
from zaxy.eventloom.event import Draft
from zaxy.eventloom.records import BadRecordError, sound_link
from zaxy.eventloom.scan import ChainState, check_content

DIGEST = "0123456789abcdef" * 4
TIME = "2026-11-21T10:55:55.332626Z"
PAYLOADS: dict[str, dict[str, Any]] = {
    "empty": {},
    "nested": {"z": [1, {"b": [], "a": None}], "a": {"more": [True, False, -5]}},
    "braces and quotes": {"text": '"payload":{"integrity":{"hash":', "{": "}"},
    "escapes": {"kr\u00e1k\u00f3w": "\u2603 \U0001f389 \\ \\\u00e9 \n\t\x1f /"},
}


def sealed(seq: int, payload: dict[str, Any], **members: Any) -> bytes:
    draft = Draft("note.taken", "ann", payload, **members)
    previous = None if seq == 1 else DIGEST
    return seal(prepare(draft), session_id="work", seq=seq, previous=previous, recorded_at=TIME)[0][:-1]


def foreign(seq: int = 7, *, previous: str = DIGEST, **members: Any) -> bytes:
    return v1_line(seq, f"sha256:{previous}", **members)[:-1]


def long_way(line: bytes, seq: int, digest: str | None) -> str | None:
    """Return the digest of a line that is event ``seq`` behind ``digest``; None for one that is not."""
    try:
        step = check_content(0, line, ChainState(seq - 1, digest))
    except BadRecordError:
        return None
    return step.record.digest if step.seq == seq else None


PLAIN = {
    **{name: (7, sealed(7, payload)) for name, payload in PAYLOADS.items()},
    "the first event": (1, sealed(1, {"n": 1})),
    "a long number": (10**14, sealed(10**14, {"n": 1})),
    "a parent and causes": (7, sealed(7, {}, parent_event_id="evt_1", caused_by=("evt_1", "evt_2"))),
    "a time without a fraction": (7, foreign(timestamp="2026-11-21T10:55:55+01:00")),
    "braces in a name": (7, foreign(payload={"{": "{}"})),
}
plain = pytest.mark.parametrize(("seq", "line"), PLAIN.values(), ids=PLAIN.keys())


@plain
def test_a_plain_line_takes_the_short_way(seq: int, line: bytes) -> None:
    digest = None if seq == 1 else DIGEST
    assert sound_link(line, seq, digest) == json.loads(line)["integrity"]["hash"].removeprefix("sha256:")
    assert sound_link(line, seq, digest) == long_way(line, seq, digest)


@plain
def test_no_changed_bit_of_a_plain_line_passes(seq: int, line: bytes) -> None:
    for bit in range(8 * len(line)):
        changed = bytearray(line)
        changed[bit // 8] ^= 1 << bit % 8
        assert sound_link(bytes(changed), seq, None if seq == 1 else DIGEST) is None, bit


@plain
def test_what_passes_after_any_change_passes_the_long_way_too(seq: int, line: bytes, chance: Random) -> None:
    digest = None if seq == 1 else DIGEST
    pieces = [b'"', b"\\", b"{", b"}", b",", b"\x7f", b"\xc3\xa9", b'"payload":{', b'","timestamp":"', b"0", b""]
    for _ in range(3_000):
        start = chance.randrange(len(line) + 1)
        end = min(len(line), start + chance.randrange(4))
        changed = line[:start] + chance.choice(pieces) + line[end:]
        if changed != line:
            link = sound_link(changed, seq, digest)
            assert link is None or link == long_way(changed, seq, digest), changed


def resealed(line: bytes, old: bytes, new: bytes) -> bytes:
    """Return a line with other bytes in it and with the hash of what its pieces make, whatever they hold.

    So would lie who knows how the short way puts the hashed form together.
    """
    assert old in line
    event, _, integrity = line.replace(old, new, 1).rpartition(b',"integrity":')
    begin, _, payload = event.partition(b'","payload":')
    begin, _, time = begin.partition(b',"causedBy":[],"timestamp":"')
    identity, _, rest = begin.removeprefix(b'{"id":"').partition(b'","type":"')
    event_type, _, rest = rest.partition(b'","actorId":"')
    actor, _, rest = rest.partition(b'","threadId":"')
    thread, _, parent = rest.partition(b'","parentEventId":')
    previous = integrity.partition(b'"previousHash":')[2][:-2]
    with contextlib.suppress(orjson.JSONDecodeError):
        payload = orjson.dumps(orjson.loads(payload), option=orjson.OPT_SORT_KEYS)
    hashed = (
        b'{"event":{"actorId":"%b","causedBy":[],"id":"%b","parentEventId":%b,"payload":%b,"threadId":"%b",'
        b'"timestamp":"%b","type":"%b"},"previousHash":%b}'
        % (actor, identity, parent, payload, thread, time, event_type, previous)
    )
    digest = hashlib.sha256(hashed).hexdigest().encode()
    return b'%b,"integrity":{"hash":"sha256:%b","previousHash":%b}}' % (event, digest, previous)


def test_a_line_that_is_resealed_without_a_change_is_the_same() -> None:
    line = foreign()
    assert resealed(line, b'"n":7', b'"n":7') == line


LIES = {
    "a member inside the id": (b"0123456789abcdef", b'012345","x":"012'),
    "an escape inside the id": (b"0123456789abcdef", b"0123\\u0041abcdef"),
    "a member inside the time": (b"2026-11-21", b'","x":"'),
    "an escape inside the time": (b"2026-11-21", b"\\u0032"),
    "a member inside the actor": (b'"ann"', b'"ann","x":"y"'),
    "an escape inside the actor": (b'"ann"', b'"\\u0061nn"'),
    "DEL in the actor": (b'"ann"', b'"a\x7fn"'),
    "DEL in the payload": (b'{"n":7}', b'{"n":"\x7f"}'),
    "bytes beyond ASCII in the payload": (b'{"n":7}', b'{"n":"\xc3\xa9"}'),
    "bytes beyond ASCII in the actor": (b'"ann"', b'"\xc3\xa9"'),
    "an escape that no writer makes": (b'{"n":7}', b'{"n":"\\u0041"}'),
    "an escape in capital letters": (b'{"n":7}', b'{"n":"\\u00C7"}'),
    "a member that stands twice": (b'{"n":7}', b'{"n":7,"n":7}'),
    "a space": (b'{"n":7}', b'{"n": 7}'),
    "a number as nobody writes it": (b'{"n":7}', b'{"n":1E1}'),
    "a number that orjson writes otherwise": (b'{"n":7}', b'{"n":1e16}'),
    "a nested one": (b'{"n":7}', b'{"n":[{"m":[1e-7]}]}'),
    "minus nothing": (b'{"n":7}', b'{"n":-0}'),
    "two objects": (b'{"n":7}', b'{"n":7}{"n":7}'),
    "an object and a member": (b'{"n":7}', b'{"n":7},"x":{}'),
    "no object": (b'{"n":7}', b"[7]"),
    "a list behind it": (b'{"n":7}', b'{"n":7},[7]'),
    "NaN": (b'{"n":7}', b'{"n":NaN}'),
    "a control character": (b'{"n":7}', b'{"n":"\x01"}'),
}


@pytest.mark.parametrize(("old", "new"), LIES.values(), ids=LIES.keys())
def test_a_line_of_another_form_is_refused_although_its_hash_fits(old: bytes, new: bytes) -> None:
    line = resealed(foreign(), old, new)
    assert sound_link(line, 7, DIGEST) is None
    assert long_way(line, 7, DIGEST) is None


def test_what_stands_in_another_place_of_the_chain_is_left_to_the_long_way() -> None:
    line = foreign()
    assert sound_link(line, 7, DIGEST)
    assert sound_link(line, 8, DIGEST) is None
    assert sound_link(line, 7, None) is None
    assert sound_link(line, 7, "f" * 64) is None
    assert sound_link(line, 7, "unknown") is None
    assert sound_link(v1_line(7, None)[:-1], 7, DIGEST) is None


def test_a_line_with_a_float_or_very_many_causes_is_left_to_the_long_way_which_takes_it() -> None:
    for members in ({"payload": {"n": 0.5}}, {"causedBy": ["evt"] * 1_000}, {"actorId": "\u00e9"}):
        line = foreign(**members)
        assert sound_link(line, 7, DIGEST) is None
        assert long_way(line, 7, DIGEST) is not None


@pytest.mark.parametrize(
    "line", [b"", b"{", b"}", b"{}", b'{"id":"evt_zaxy_000000000007_', foreign()[:100], b"{" * 500]
)
def test_what_is_no_line_is_left_to_the_long_way(line: bytes) -> None:
    assert sound_link(line, 7, DIGEST) is None
    assert sound_link(line, 7, None) is None
