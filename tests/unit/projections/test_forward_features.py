"""What plain reading tells of an event."""

from __future__ import annotations

import struct
from dataclasses import replace
from hashlib import blake2b

import pytest

from zaxy.eventloom.event import Event
from zaxy.projections.columns import Figures, ForwardRow, digest_of
from zaxy.projections.forward.features import row_of
from zaxy.projections.forward.flags import Flag
from zaxy.projections.search.analysis import analyzer, search_text
from zaxy.testing.projections import make_event
from zaxy.testing.search import say
from zaxy.vocabulary.model import Meaning
from zaxy.vocabulary.payloads import CIPHER_KEY
from zaxy.vocabulary.registry import extract


def turn(event_type: str = "transcript.turn", actor: str = "ann", **payload: object) -> Event:
    return replace(make_event("one", 1, recorded=7), event_type=event_type, actor=actor, payload=payload)


def row(event: Event) -> ForwardRow:
    return row_of(Meaning(event, extract(event)), analyzer())


def figures(text: str) -> Figures:
    return Figures.unpack(row(turn(speaker="Caroline", content=text)).figures)


def flags(text: str) -> Flag:
    return Flag(figures(text).flags)


@pytest.mark.parametrize(
    "text",
    [
        "Did it work?",
        "Did it work? ",
        "Look! Like it? [image: a dog, or is it?]",
        "So? [image: a] \n[image: b] ",
        "¿Qué?",
    ],
)
def test_what_ends_in_a_question_mark_is_a_question(text: str) -> None:
    assert Flag.QUESTION in flags(text)


@pytest.mark.parametrize(
    "text", ["", "Did it? Yes.", "A dog [image: is it a dog?]", "so [image: a] there", "[image: ?]"]
)
def test_what_does_not_end_in_one_is_none(text: str) -> None:
    assert Flag.QUESTION not in flags(text)


def test_a_caption_is_an_image_in_any_case() -> None:
    assert Flag.IMAGE in flags("Here [Image: a dog]")
    assert Flag.IMAGE not in flags("the image of [a] dog")


@pytest.mark.parametrize(
    "text",
    [
        *("We met yesterday", "two days ago", "last week", "Next few months", "on Monday.", "It was in June"),
        *("in May", "May 3", "the 3rd of May", "7 march", "back in 2019", "at 5 pm", "at 5:30pm", "this summer"),
        *("2023-05-08", "TODAY", "since March"),
    ],
)
def test_words_about_time_are_seen(text: str) -> None:
    assert Flag.TIME in flags(text)


@pytest.mark.parametrize(
    "text", ["It may rain", "May I?", "They march on", "the last word", "3000 euros", "this dog", ""]
)
def test_other_words_tell_no_time(text: str) -> None:
    assert Flag.TIME not in flags(text)


def test_numbers_are_seen_in_digits_and_in_words() -> None:
    assert all(Flag.NUMBER in flags(text) for text in ("7 dogs", "twelve dogs", "v2"))
    assert all(Flag.NUMBER not in flags(text) for text in ("a dog", "someone often", ""))


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (turn(role="assistant", content="x"), Flag.ASSISTANT),
        (turn(role="user", content="x", actor="model"), Flag.USER),
        (turn(actor="Agent", content="x"), Flag.ASSISTANT),
        (turn(actor="human", content="x"), Flag.USER),
        (turn(actor="user", speaker="Caroline", content="x"), Flag.USER),
        (turn(speaker="Caroline", content="x"), Flag(0)),
        (turn("tool.result", role="assistant", output="x"), Flag.TOOL | Flag.ASSISTANT),
        (turn("command.run", command="x"), Flag.TOOL),
        (turn("toolbox.opened", text="x"), Flag(0)),
        (turn(role=["assistant"], content="x"), Flag(0)),
    ],
)
def test_the_role_is_told_by_the_payload_or_the_actor(event: Event, expected: Flag) -> None:
    told = Flag(Figures.unpack(row(event).figures).flags)
    assert told & (Flag.ASSISTANT | Flag.USER | Flag.TOOL) == expected
    assert (Flag.TURN in told) == event.event_type.startswith("transcript.")


def test_the_speaker_is_whom_the_payload_names_else_the_actor() -> None:
    assert row(turn(speaker="Caroline", role="user")).speaker == "Caroline"
    assert row(turn(actor="ann", role="user")).speaker == "user"
    assert row(turn(content="x")).speaker == "ann"
    assert row(turn(speaker=7, content="x")).speaker == "ann"


def test_words_are_counted_without_the_speaker() -> None:
    told = figures("I'm sure WE\u2019ll see my dog, and Bob in Zürich. Then Émile")
    assert (told.words, told.first_person, told.capitals) == (12, 3, 4)
    assert figures("").words == 0


def test_the_terms_are_those_of_the_search_each_with_its_count() -> None:
    event = turn(speaker="Caroline", content="dogs and a dog " * 200)
    found = row(event)
    entries = struct.unpack(f"<{len(found.terms) // 8}Q", found.terms)
    terms = analyzer().terms(search_text(Meaning(event, extract(event))))
    assert list(entries) == sorted(entries)
    assert {entry >> 8: entry & 255 for entry in entries} == {
        digest_of(term): min(255, terms.count(term)) for term in terms
    }
    assert entries.count(digest_of("dog") << 8 | 255) == 1
    assert Figures.unpack(found.figures).length == len(terms)
    assert {"dog", "januari", "1970", "thursday"} <= set(terms)


def test_a_digest_is_56_bits_of_keyed_blake2b() -> None:
    expected = blake2b("zürich".encode(), digest_size=7, key=b"zaxy forward index").digest()
    assert digest_of("zürich") == int.from_bytes(expected, "little") < 2**56


def test_a_sealed_payload_leaves_no_terms() -> None:
    found = row(turn(**{CIPHER_KEY: {"sealed": "x"}}))
    assert (found.terms, found.speaker) == (b"", "ann")


def test_the_day_is_added_in_english_only_and_to_texts_only() -> None:
    meaning = say("one", 1, "word", occurred=-1)
    assert search_text(meaning) == "word\n31 december 1969 wednesday"
    assert search_text(meaning, "german") == "word"
    assert search_text(say("one", 1, "")) == ""
