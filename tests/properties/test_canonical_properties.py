"""The stored and the canonical form are those of the standard library, and reading accepts nothing else."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from zaxy.eventloom.canonical import BadJSONError, canonical, canonical_simple, decode, stored

whole_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
finite = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers() | st.integers(-(2**70), 2**70) | finite | whole_text
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(whole_text, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(whole_text, values, max_size=5)


def refuse_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    assert len(members) == len(pairs), "duplicate"
    return members


def is_stored_form(line: bytes) -> bool:
    """Tell with nothing but the standard library whether a line is what a writer makes of the object in it."""
    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=refuse_twins)
        again = json.dumps(value, separators=(",", ":"), allow_nan=False)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, AssertionError):
        return False
    return isinstance(value, dict) and again.encode("ascii") == line


def accepts(line: bytes) -> bool:
    try:
        decode(line)
    except BadJSONError:
        return False
    return True


@given(objects)
def test_both_forms_are_those_of_the_standard_library(value: dict[str, Any]) -> None:
    assert stored(value) == json.dumps(value, separators=(",", ":"))
    assert canonical(value) == json.dumps(value, separators=(",", ":"), sort_keys=True).encode("ascii")


@given(objects)
@example({"text": "a\x7fb", "big": 2**64, "bigger": -(2**80), "tiny": 1e-07, "huge": 1e22, "minus": -0.0})
@example({"\U0001f389": 1, "\uffff": 2, "\ue000": 3, "z": 4, "": 5})
def test_what_a_writer_stores_is_read_back_and_hashes_the_same(value: dict[str, Any]) -> None:
    read, simple = decode(stored(value).encode("ascii"))
    assert stored(read) == stored(value)
    assert list(read) == list(value)
    if simple:
        assert canonical_simple(read) == canonical(value)


@given(objects, st.data())
def test_a_changed_byte_is_accepted_only_where_a_writer_would_have_written_it(
    value: dict[str, Any], data: st.DataObject
) -> None:
    line = stored(value).encode("ascii")
    start = data.draw(st.integers(0, len(line)))
    end = data.draw(st.integers(start, min(len(line), start + 3)))
    piece = data.draw(
        st.binary(max_size=3) | st.sampled_from([b" ", b"\t", b"0", b"-", b"e", b"\\u00E9", b"\x7f", b"\r"])
    )
    changed = line[:start] + piece + line[end:]
    assert accepts(changed) == is_stored_form(changed)


@given(objects)
def test_another_spacing_is_refused(value: dict[str, Any]) -> None:
    spaced = json.dumps(value).encode("ascii")
    assume(spaced != stored(value).encode("ascii"))
    assert not accepts(spaced)


@given(objects)
def test_text_that_is_not_escaped_is_refused(value: dict[str, Any]) -> None:
    raw = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    assume(not raw.isascii() or "\x7f" in raw)
    assert not accepts(raw.encode("utf-8"))


@given(objects)
def test_escapes_in_capitals_are_refused(value: dict[str, Any]) -> None:
    line = stored(value)
    loud = re.sub(r"(?<!\\)((?:\\\\)*\\u)([0-9a-f]{4})", lambda match: match[1] + match[2].upper(), line)
    assume(loud != line)
    assert not accepts(loud.encode("ascii"))


@given(objects, whole_text, values, values)
def test_a_name_that_stands_twice_is_refused(value: dict[str, Any], name: str, first: object, second: object) -> None:
    assume(name not in value)
    rest = "".join(f",{stored(key)}:{stored(part)}" for key, part in value.items())
    with pytest.raises(BadJSONError) as caught:
        decode(f"{{{stored(name)}:{stored(first)}{rest},{stored(name)}:{stored(second)}}}".encode("ascii"))
    assert caught.value.finding == "duplicate_key"


@pytest.mark.parametrize(
    "number",
    [
        "1e-7",
        "1E5",
        "1e5",
        "0.00001",
        "1.0e0",
        "1.00",
        "1e+05",
        "1E+22",
        "1e22",
        "-0",
        "0.1000000000000000055",
        "100e-2",
        "1e16",
        "10000000000000000.0",
        "4.9e-324",
        "01",
        "+1",
        ".5",
        "1.",
        "0x10",
        "1_000",
    ],
)
def test_a_number_in_another_spelling_is_refused(number: str) -> None:
    assert not accepts(b'{"n":%s}' % number.encode())


@pytest.mark.parametrize(
    "number", ["1e-07", "100000.0", "1e-05", "1.0", "1e+22", "-0.0", "0", "1e+16", "5e-324", "12345678901234567890123"]
)
def test_a_number_as_python_writes_it_is_accepted(number: str) -> None:
    value, _ = decode(b'{"n":%s}' % number.encode())
    assert stored(value) == f'{{"n":{number}}}'


@pytest.mark.parametrize(
    ("line", "finding"),
    [
        (b'{"a":NaN}', "not_finite"),
        (b'{"a":Infinity}', "not_finite"),
        (b'{"a":-Infinity}', "not_finite"),
        (b'{"a":1e999}', "not_finite"),
        (b'{"a":"\\ud800"}', "lone_surrogate"),
        (b'{"\\udfff":1}', "lone_surrogate"),
        (b'{"a":"\\ud83cx\\udf89"}', "lone_surrogate"),
        (b'{"a":"\xff"}', "bad_utf8"),
        (b'{"a":"\xed\xa0\x80"}', "bad_utf8"),
        (b"[1]", "not_an_object"),
        (b"null", "not_an_object"),
        (b"", "not_json"),
        (b"{}{}", "not_json"),
        (b'\xef\xbb\xbf{"a":1}', "not_json"),
        (b'{"a":"\x01"}', "not_json"),
        (b'{"a":' + b"9" * 5_000 + b"}", "not_json"),
        (b'{"a":"\x7f"}', "non_canonical"),
        (b'{"a":"\\/"}', "non_canonical"),
        (b'{"a":"\\u0041"}', "non_canonical"),
        (b'{"a":1}\r', "non_canonical"),
        (b'{"a":' + b"[" * 3_000 + b"]" * 3_000 + b"}", "too_deep"),
    ],
)
def test_a_finding_says_what_is_wrong(line: bytes, finding: str) -> None:
    with pytest.raises(BadJSONError) as caught:
        decode(line)
    assert caught.value.finding == finding


@pytest.mark.parametrize(("before", "after"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_no_depth_makes_reading_fail_in_another_way(before: bytes, after: bytes) -> None:
    for depth in range(200, 1_100):
        line = b'{"a":' + before * depth + b"1" + after * depth + b"}"
        if accepts(line):
            assert canonical(decode(line)[0]) == line
