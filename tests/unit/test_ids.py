"""Names of sessions, events and citations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zaxy.errors import InvalidInputError
from zaxy.ids import Citation, EventRef, check_event_type, check_session_id, cite, parse_citation

sessions = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}", fullmatch=True)
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)


@given(sessions, st.integers(1, 10**18 - 1), digests, st.booleans())
def test_a_citation_is_read_back(session_id: str, seq: int, digest: str, prefixed: bool) -> None:
    text = cite(session_id, seq, "sha256:" + digest if prefixed else digest)
    citation = parse_citation(text)
    assert citation == Citation(session_id, seq, digest[:12])
    assert citation.ref == EventRef(session_id, seq)
    assert str(citation) == text
    assert check_session_id(session_id) == session_id


@given(st.text(max_size=60))
def test_any_text_is_a_citation_or_refused(text: str) -> None:
    for candidate in (text, f"eventloom://{text}", f"eventloom://work/events/{text}"):
        try:
            citation = parse_citation(candidate)
        except InvalidInputError:
            continue
        assert parse_citation(str(citation)).ref == citation.ref


def test_a_citation_without_a_hash_is_read() -> None:
    assert parse_citation("eventloom://work/events/7") == Citation("work", 7)
    assert str(Citation("work", 7)) == "eventloom://work/events/7"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "work",
        "eventloom://work",
        "eventloom://work/events",
        "eventloom://work/events/",
        "eventloom:///events/1",
        "eventloom://work/events/0",
        "eventloom://work/events/01",
        "eventloom://work/events/-1",
        "eventloom://a/b/events/1",
        "eventloom://work/events/1#",
        "eventloom://work/events/1#abc",
        "eventloom://work/events/1#ABCDEF",
        "eventloom://work/events/1#" + "a" * 65,
        "eventloom://work/events/1 ",
        " eventloom://work/events/1",
        "eventloom://work/events/1\n",
        "http://work/events/1",
        "eventloom://work/events/" + "9" * 19,
        "eventloom://work/events/\u0661",
        None,
        5,
        b"eventloom://work/events/1",
    ],
)
def test_such_a_citation_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_citation(text)


@pytest.mark.parametrize("session_id", ["a", "A-1_b.c", "-", "_", "0", "x" * 128, "a..b", "a."])
def test_such_a_session_id_is_taken(session_id: str) -> None:
    assert check_session_id(session_id) == session_id


@pytest.mark.parametrize(
    "session_id",
    [
        "",
        ".",
        "..",
        ".x",
        "a/b",
        "a\\b",
        "a b",
        "a\n",
        "\n",
        "a\0",
        "é",
        "x" * 129,
        "a:b",
        "~",
        "*",
        "\u0661",
        None,
        5,
        b"a",
    ],
)
def test_such_a_session_id_is_refused(session_id: object) -> None:
    with pytest.raises(InvalidInputError):
        check_session_id(session_id)


@pytest.mark.parametrize("event_type", ["goal.created", "a.b", "a.b.c.d", "tool_call.done-now", "a1.2", "note.1a"])
def test_such_an_event_type_is_taken(event_type: str) -> None:
    assert check_event_type(event_type) == event_type


@pytest.mark.parametrize(
    "event_type",
    [
        "",
        "note",
        "Note.made",
        "note.Made",
        "note.",
        ".note",
        "note..made",
        "1.a",
        "_a.b",
        "a b.c",
        "note.made\n",
        "é.b",
        "a." + "b" * 199,
        None,
        5,
        b"a.b",
    ],
)
def test_such_an_event_type_is_refused(event_type: object) -> None:
    with pytest.raises(InvalidInputError):
        check_event_type(event_type)
