"""A sealed line is the record that plain JSON makes of it, and its hash is the one that the rule gives."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from zaxy.clock import format_time, parse_time
from zaxy.eventloom.envelope import ENVELOPE_KEYS, prepare, seal
from zaxy.eventloom.event import Draft
from zaxy.eventloom.payload import MAX_EXACT_INTEGER, clean_payload, scrub
from zaxy.eventloom.records import BadRecordError, check_record

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
names = text.filter(lambda name: name != "occurred_at")
numbers = st.integers(-MAX_EXACT_INTEGER, MAX_EXACT_INTEGER) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
payloads = st.dictionaries(names, values, max_size=5)
actors = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=40).filter(
    str.strip
)
sessions = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,20}", fullmatch=True)
types = st.from_regex(r"[a-z][a-z0-9_-]{0,8}(\.[a-z0-9_-]{1,8}){1,3}", fullmatch=True)
digests = st.none() | st.binary(min_size=32, max_size=32).map(bytes.hex)
moments = st.integers(parse_time("0001-01-02"), parse_time("9999-12-30"))
drafts = st.builds(
    Draft, types, actors, payloads, parent_event_id=st.none() | text, caused_by=st.lists(text, max_size=3).map(tuple)
)


def sealed(draft: Draft, session_id: str, seq: int, previous: str | None, moment: int) -> tuple[bytes, Any]:
    return seal(prepare(draft), session_id=session_id, seq=seq, previous=previous, recorded_at=format_time(moment))


@given(drafts, sessions, st.integers(1, 10**12 - 1), digests, moments)
def test_a_sealed_line_follows_the_format(
    draft: Draft, session_id: str, seq: int, previous: str | None, moment: int
) -> None:
    line, event = sealed(draft, session_id, seq, previous, moment)

    record = json.loads(line)
    assert line == json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"
    assert tuple(record) == ENVELOPE_KEYS

    integrity = record.pop("integrity")
    previous_hash = None if previous is None else f"sha256:{previous}"
    hashed = json.dumps(
        {"event": record, "previousHash": previous_hash}, sort_keys=True, separators=(",", ":"), ensure_ascii=True
    )
    assert integrity == {
        "hash": "sha256:" + hashlib.sha256(hashed.encode("ascii")).hexdigest(),
        "previousHash": previous_hash,
    }
    assert record["id"].startswith(f"evt_zaxy_{seq:012d}_")
    assert (record["type"], record["actorId"], record["threadId"]) == (draft.event_type, draft.actor, session_id)
    assert (record["parentEventId"], tuple(record["causedBy"])) == (draft.parent_event_id, draft.caused_by)
    assert event.hash == integrity["hash"]


@given(drafts, sessions, st.integers(1, 10**12 - 1), digests, moments)
def test_the_event_that_an_append_returns_is_the_one_that_is_read(
    draft: Draft, session_id: str, seq: int, previous: str | None, moment: int
) -> None:
    line, event = sealed(draft, session_id, seq, previous, moment)
    read = check_record(line[:-1])
    assert read.event(session_id, seq) == event
    assert read.seq == seq
    assert event.recorded_moment == moment


@given(drafts, st.permutations(range(len(ENVELOPE_KEYS))))
def test_a_record_with_its_members_in_another_order_is_refused(draft: Draft, order: list[int]) -> None:
    line, _ = sealed(draft, "work", 1, None, 0)
    record = json.loads(line)
    shuffled = {ENVELOPE_KEYS[at]: record[ENVELOPE_KEYS[at]] for at in order}
    changed = json.dumps(shuffled, separators=(",", ":")).encode("ascii")
    try:
        check_record(changed)
    except BadRecordError:
        assert order != sorted(order)
    else:
        assert order == sorted(order)


@given(drafts, st.data())
def test_a_line_with_a_changed_byte_is_refused(draft: Draft, data: st.DataObject) -> None:
    line = sealed(draft, "work", 1, None, 0)[0][:-1]
    position = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != line[position]))
    try:
        check_record(line[:position] + bytes([byte]) + line[position + 1 :])
    except BadRecordError:
        return
    raise AssertionError(f"byte {position} may be {byte}")


any_text = st.text(st.characters(), max_size=20)
any_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(2**80), 2**80) | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=12,
)


@given(any_value)
def test_what_was_scrubbed_can_be_sealed(value: object) -> None:
    prepare(Draft("note.taken", "ann", {"imported": scrub(value)}))


@given(values)
def test_scrubbing_leaves_alone_what_can_be_sealed(value: object) -> None:
    assert repr(scrub(value)) == repr(value)


@given(payloads)
def test_cleaning_a_payload_twice_is_the_same_as_once(payload: dict[str, object]) -> None:
    once = clean_payload(payload).value
    again = dict(clean_payload(once).value)
    again["__zaxy_security"] = once["__zaxy_security"]
    assert repr(again) == repr(once)
