"""What no reader could trust is refused before anything is written, and the message names its place."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from zaxy.errors import InvalidInputError
from zaxy.eventloom.envelope import prepare
from zaxy.eventloom.event import Draft
from zaxy.eventloom.log import EventLog, as_draft
from zaxy.eventloom.payload import clean_payload, scrub


def nested(levels: int, *, lists: bool) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if lists else {"a": value}
    return value


@pytest.mark.parametrize(
    ("payload", "place"),
    [
        ({"a": {"b": [1, math.nan]}}, "payload.a.b[1]"),
        ({"a": math.inf}, "payload.a"),
        ({"a": [-math.inf]}, "payload.a[0]"),
        ({"a": "\ud800"}, "payload.a"),
        ({"a": ["ok", {"\udfff": 1}]}, "payload.a[1]"),
        ({"a": "x\0y"}, "payload.a"),
        ({"a\0": 1}, "payload.a"),
        ({"a": 2**53}, "payload.a"),
        ({"a": -(2**53)}, "payload.a"),
        ({"a": 10**5_000}, "payload.a"),
        ({"a": {1: "x"}}, "payload.a"),
        ({"a": {None: "x"}}, "payload.a"),
        ({"a": {("x", "y"): "x"}}, "payload.a"),
        ({"a": b"bytes"}, "payload.a"),
        ({"a": bytearray(b"bytes")}, "payload.a"),
        ({"a": {1, 2}}, "payload.a"),
        ({"a": object()}, "payload.a"),
        ({"a": Decimal("1.5")}, "payload.a"),
        ({"a": datetime(2023, 5, 8, tzinfo=UTC)}, "payload.a"),
        ({"a": nested(3_000, lists=True)}, "payload.a[0][0]"),
        ({"a": nested(3_000, lists=False)}, "payload.a.a"),
        ({"a": nested(64, lists=True)}, "payload.a[0]"),
        ({"a": nested(64, lists=False)}, "payload.a.a"),
        ({"occurred_at": "yesterday"}, "payload.occurred_at"),
        ({"occurred_at": 1_700_000_000}, "payload.occurred_at"),
        ({"occurred_at": "2023-02-30"}, "payload.occurred_at"),
        ({"occurred_at": ""}, "payload.occurred_at"),
        ({"occurred_at": ["2023-05-08"]}, "payload.occurred_at"),
    ],
)
def test_such_a_payload_is_refused_and_its_place_is_named(payload: dict[str, Any], place: str, tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    with pytest.raises(InvalidInputError) as caught:
        log.append("note.taken", "ann", payload)
    assert place in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
    assert not log.path.exists()


@pytest.mark.parametrize("payload", [[], [1], "text", 5, b"x", True])
def test_a_payload_that_is_not_an_object_is_refused(payload: Any) -> None:
    with pytest.raises(InvalidInputError):
        prepare(Draft("note.taken", "ann", payload))


def test_the_largest_exact_numbers_and_the_deepest_nesting_are_taken(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    payload = {"most": 2**53 - 1, "least": 1 - 2**53, "deep": nested(63, lists=False), "list": nested(63, lists=True)}
    event = log.append("note.taken", "ann", payload)
    assert EventLog(log.path).read(1) == event
    assert {name: event.payload[name] for name in payload} == payload
    assert log.verify().ok


def test_subclasses_of_the_plain_types_are_stored_as_those() -> None:
    class Colour(enum.StrEnum):
        RED = "red"

    class Size(enum.IntEnum):
        LARGE = 3

    value = clean_payload({"colour": Colour.RED, "size": Size.LARGE, "pair": (1, 2)}).value
    assert (type(value["colour"]), type(value["size"]), value["pair"]) == (str, int, [1, 2])


@pytest.mark.parametrize(
    "event_type",
    [
        "",
        "goal",
        "Goal.created",
        "goal.",
        ".goal",
        "goal..created",
        "goal.Created",
        "1.a",
        "a b.c",
        "é.a",
        "a/b",
        "a.b\n",
        "a." + "b" * 200,
        None,
        5,
        b"a.b",
        ["a.b"],
    ],
)
def test_such_an_event_type_is_refused(event_type: Any) -> None:
    with pytest.raises(InvalidInputError):
        prepare(Draft(event_type, "ann"))


@pytest.mark.parametrize("actor", ["", " ", "\n", "x" * 257, None, 5, b"ann", "\ud800"])
def test_such_an_actor_is_refused(actor: Any) -> None:
    with pytest.raises(InvalidInputError):
        prepare(Draft("note.taken", actor))


@pytest.mark.parametrize(
    "members",
    [
        {"key": 5},
        {"key": b"test:1"},
        {"key": ["test:1"]},
        {"key": "test:\0"},
        {"key": "test:\ud800"},
        {"parent_event_id": 5},
        {"parent_event_id": 0},
        {"parent_event_id": []},
        {"parent_event_id": "\ud800"},
        {"caused_by": [5]},
        {"caused_by": ["\ud800"]},
        {"caused_by": [None]},
        {"caused_by": 5},
        {"caused_by": "evt_zaxy_000000000001_0123456789abcdef"},
        {"payload": []},
        {"unknown": 1},
        {"actor": None},
        {"event_type": None},
    ],
    ids=repr,
)
def test_an_item_of_a_batch_with_such_a_member_is_refused(members: Mapping[str, Any], tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    good = {"event_type": "note.taken", "actor": "ann"}
    with pytest.raises(InvalidInputError):
        log.append_many([good, {**good, **members}])
    assert not log.path.exists()


@pytest.mark.parametrize("item", [{}, {"event_type": "a.b"}, {"actor": "ann"}, "a.b", 5, None, [("event_type", "a.b")]])
def test_an_item_of_a_batch_that_is_no_event_is_refused(item: Any) -> None:
    with pytest.raises(InvalidInputError):
        as_draft(item)


def test_an_empty_batch_writes_nothing(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    assert log.append_many([]) == []
    assert not log.path.exists()


@pytest.mark.parametrize(("first", "last"), [(0, None), (-1, None), (5, 2)])
def test_a_range_that_cannot_be_replayed_is_refused(first: int, last: int | None, tmp_path: Path) -> None:
    log = EventLog(tmp_path / "work.jsonl")
    log.append("note.taken", "ann")
    with pytest.raises(InvalidInputError):
        log.replay(first, last)
    with pytest.raises(InvalidInputError):
        log.tail(0)


@pytest.mark.parametrize("levels", [65, 200, 3_000])
@pytest.mark.parametrize("lists", [True, False])
def test_what_was_scrubbed_can_be_sealed_however_deep_it_was(levels: int, lists: bool) -> None:
    prepare(Draft("note.taken", "ann", {"imported": scrub(nested(levels, lists=lists))}))


@pytest.mark.parametrize(
    ("given", "scrubbed"),
    [
        ("a\ud800b", "a\ufffdb"),
        ("c\udfffd", "c\ufffdd"),
        ("\ud83c", "\ufffd"),
        ("\ud83c\udf89!", "\U0001f389!"),
        ("\ud800\ud83c\udf89\udfff", "\ufffd\U0001f389\ufffd"),
        ("a\0b", "a\ufffdb"),
        ("\ufeffmark", "\ufeffmark"),
        (2**53, "9007199254740992"),
        (math.inf, "inf"),
        ({"\0": [math.nan, True, None, 1.5]}, {"\ufffd": ["nan", True, None, 1.5]}),
    ],
)
def test_scrubbing_replaces_only_what_could_not_be_sealed(given: Any, scrubbed: Any) -> None:
    assert scrub(given) == scrubbed
