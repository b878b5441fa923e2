"""Inferred relations: where the first hits of a question lead, how sure that is, and which events it rests on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from zaxy.ids import EventRef
from zaxy.projections.protocols import Candidate
from zaxy.projections.search.analysis import analyzer
from zaxy.projections.search.layered import LayeredSearch
from zaxy.projections.search.memory import MemorySearch
from zaxy.projections.search.tantivy_index import TantivySearch
from zaxy.projections.selection import Names, Selection
from zaxy.services.recall.inference import (
    Inferred,
    Kind,
    Method,
    clues_of,
    evidence_of,
    rare_limit,
    related,
    shared,
    together,
)
from zaxy.testing.projections import SECOND, fact, feed, make_event, make_meaning
from zaxy.testing.search import end, resolver, say
from zaxy.vocabulary.model import Meaning

NOW = Selection(now=1_000 * SECOND)
LETTERS = (
    say("spring", 1, "Two names went on the museum label, mine and that of Ines"),
    say("spring", 2, "that is lovely"),
    say("spring", 3, "dinner was late"),
    say("autumn", 1, "rain all week"),
    say("autumn", 2, "the wind took a tile"),
    say("autumn", 3, "the boiler broke"),
    say("autumn", 4, "a parcel came"),
    say("autumn", 5, "I heard from Ines: glaciology, three years of it"),
    say("autumn", 6, "more rain"),
)
HIT, ANSWER = EventRef("spring", 1), EventRef("autumn", 5)
QUESTION = ["woman", "name", "label", "go", "studi"]


@contextlib.contextmanager
def searching(folder: Path, meanings: Sequence[Meaning], in_tail: int) -> Iterator[LayeredSearch]:
    """Give an index with the last so many events in its tail, the others on disk."""
    stored = meanings[: len(meanings) - in_tail]
    tail = MemorySearch()
    feed(tail, meanings[len(stored) :])
    with contextlib.closing(TantivySearch(folder / "search", resolve=resolver(meanings))) as base:
        feed(base, stored)
        yield LayeredSearch(base, tail)


def asked(index: LayeredSearch, *first: Meaning, selection: Selection = NOW, limit: int = 8) -> list[Inferred]:
    return related(index, first, QUESTION, selection, analyzer(), limit=limit)


def led_to(links: Sequence[Inferred], kind: Kind) -> list[str]:
    return [link.target for link in links if link.kind is kind]


def in_memory(*meanings: Meaning) -> LayeredSearch:
    tail = MemorySearch()
    feed(tail, meanings)
    return LayeredSearch(None, tail)


@pytest.mark.parametrize("in_tail", [0, 4, 9])
def test_a_name_in_the_first_hit_leads_to_the_event_that_answers(tmp_path: Path, in_tail: int) -> None:
    with searching(tmp_path, LETTERS, in_tail) as index:
        name, event = asked(index, LETTERS[0])
    assert name == Inferred("question", "Ines", Kind.NAME, ("ine",), Method.CO_OCCURRENCE, round(2 / 5, 4), (HIT,))
    assert event == Inferred("question", "autumn/5", Kind.EVENT, ("ine",), Method.SHARED_TERMS, 0.5, (HIT, ANSWER))
    assert not name.stated
    assert not event.stated


def test_what_the_question_said_itself_leads_nowhere() -> None:
    index = in_memory(*LETTERS)
    assert related(index, [LETTERS[0]], ["ine"], NOW, analyzer()) == related(index, [], QUESTION, NOW, analyzer()) == []


def test_what_only_the_stretch_of_the_hits_holds_leads_nowhere() -> None:
    index = in_memory(
        *LETTERS[:3], say("spring", 4, "Ines again"), say("spring", 7, "heron"), say("spring", 8, "heron")
    )
    assert asked(index, LETTERS[0]) == []


def test_a_rare_word_in_lower_case_leads_on_and_a_frequent_one_does_not() -> None:
    said = [say("one", 1, "the heron stood there"), say("two", 1, "a heron, again")]
    talk = [say("talk", seq, "nothing but weather") for seq in range(1, 100)]
    weather = say("one", 9, "weather and weather")
    links = asked(in_memory(*said, *talk, weather), said[0], weather)
    assert led_to(links, Kind.TERM) == ["heron"]
    assert led_to(links, Kind.EVENT) == ["two/1"]


def test_a_name_leads_on_from_up_to_thirty_two_events_where_a_word_is_too_common() -> None:
    talk = [say("talk", seq, "nothing but weather") for seq in range(1, 200)]
    said = [say("one", seq, "the kiln of Ines") for seq in range(1, 21)]
    last = say("two", 1, "Ines and the kiln of Ines")
    names = asked(in_memory(*talk, *said, last), last)
    assert [(link.target, link.kind) for link in names if link.kind is not Kind.EVENT] == [("Ines", Kind.NAME)]
    more = [say("three", seq, "the kiln of Ines") for seq in range(1, 13)]
    assert asked(in_memory(*talk, *said, last, *more), last) == []


def test_a_term_is_rare_in_one_event_of_fifty_at_least_four_at_most_thirty_two() -> None:
    assert [rare_limit(events) for events in (0, 199, 250, 1_599, 1_600, 10**6)] == [4, 4, 5, 31, 32, 32]


def test_a_name_of_several_words_stands_where_all_its_rare_words_stand() -> None:
    said = [
        say("one", 1, "tea with Elena Ruiz"),
        say("two", 1, "Elena wrote"),
        say("two", 5, "a card from Elena Ruiz"),
        say("two", 9, "Ruiz, the painter"),
    ]
    links = asked(in_memory(*said), said[0])
    assert [(link.target, link.terms, link.confidence) for link in links if link.kind is Kind.NAME] == [
        ("Elena Ruiz", ("elena", "ruiz"), round(2 / 5, 4))
    ]
    assert [(link.target, link.terms) for link in links if link.kind is Kind.EVENT] == [
        ("two/5", ("elena", "ruiz")),
        ("two/1", ("elena",)),
        ("two/9", ("ruiz",)),
    ]


def test_an_entity_that_a_hit_states_leads_on_as_an_entity() -> None:
    stated = make_meaning(make_event("one", 1), fact("goal", "ship parser"), text="goal: ship parser")
    later = say("two", 1, "will the parser ship?")
    (entity, event) = asked(in_memory(stated, later), stated)
    assert (entity.target, entity.kind, entity.terms) == ("ship parser", Kind.ENTITY, ("ship", "parser"))
    assert (event.target, event.confidence) == ("two/1", 0.75)


@pytest.mark.parametrize(
    "selection",
    [
        Selection(now=1_000 * SECOND, sessions=Names.of("spring", what="session")),
        Selection(now=1_000 * SECOND, as_of=4 * SECOND),
        Selection(now=1_000 * SECOND, known_at=4 * SECOND),
        Selection(now=1_000 * SECOND, actors=Names.of("bob", what="actor")),
    ],
)
@pytest.mark.parametrize("in_tail", [0, 9])
def test_an_event_that_the_selection_leaves_out_is_neither_evidence_nor_counted(
    tmp_path: Path, selection: Selection, in_tail: int
) -> None:
    with searching(tmp_path, LETTERS, in_tail) as index:
        assert asked(index, LETTERS[0], selection=selection) == []


@pytest.mark.parametrize("in_tail", [0, 1, 10])
def test_an_ended_event_leads_nowhere_from_its_end_on(tmp_path: Path, in_tail: int) -> None:
    ended = [*LETTERS, end("notes", 1, ("autumn", 5), moment=50 * SECOND, recorded=60 * SECOND)]
    with searching(tmp_path, ended, in_tail) as index:
        assert asked(index, LETTERS[0]) == []
        for earlier in (Selection(as_of=49 * SECOND), Selection(now=1_000 * SECOND, known_at=59 * SECOND)):
            assert led_to(asked(index, LETTERS[0], selection=earlier), Kind.EVENT) == ["autumn/5"]


def test_confidence_grows_with_company_and_shrinks_with_appearances_elsewhere() -> None:
    here = [EventRef("one", seq) for seq in (1, 20, 40)]
    beside = [EventRef("one", seq) for seq in (2, 21, 41)]
    assert together(here, beside) == together(beside, here) == round(6 / 8, 4)
    assert together(here, beside[:1]) == round(2 / 6, 4)
    assert together(here, [*beside, *(EventRef("two", seq) for seq in range(1, 7))]) == round(6 / 14, 4)
    assert together(here, [EventRef("two", 1)]) == 0.0
    assert together([], []) == 0.0


@pytest.mark.parametrize(("distance", "near"), [(0, True), (3, True), (4, False)])
def test_three_events_apart_is_together_and_four_is_not(distance: int, near: bool) -> None:
    one, other = EventRef("one", 10), EventRef("one", 10 + distance)
    assert (together([one], [other]) > 0) is near
    assert evidence_of([one], [other]) == (tuple(dict.fromkeys((one, other))) if near else ())
    assert together([one], [EventRef("two", 10)]) == 0.0


def test_shared_terms_count_more_the_fewer_events_hold_them_and_add_up() -> None:
    assert (shared([2]), shared([4]), shared([2, 2]), shared([2, 4])) == (0.5, 0.25, 0.75, 0.625)
    assert shared([]) == 0.0


def test_no_more_relations_of_a_method_are_given_than_asked_for() -> None:
    first = say("one", 1, "about Ines and Otto and Mira")
    others = [say(name, 1, f"from {name}") for name in ("Ines", "Otto", "Mira")]
    index = in_memory(first, *others)
    assert [len(asked(index, first, limit=limit)) for limit in (8, 2, 1, 0)] == [6, 4, 2, 0]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("he was there and she was too", []),
        ("in May 2023, on a Monday, at 10", []),
        ("昨天我见到了李雷", ["昨天我见到了李雷"]),
        ("half \ud83d a pair of herons", ["half", "pair", "herons"]),
        ("", []),
    ],
)
def test_stop_words_numbers_and_dates_are_no_clues(text: str, written: list[str]) -> None:
    found = clues_of(say("one", 1, text).extraction, analyzer(), 2_000)
    assert [clue.written for clue in found] == written
    assert {clue.kind for clue in found} <= {Kind.TERM}


def test_a_question_costs_at_most_eight_look_ups_of_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"heron{letter}" for letter in "abcdefghijklmnop"]
    first, other = (say(name, 1, " ".join(words)) for name in ("one", "two"))
    index = in_memory(first, other)
    searched: list[Sequence[str]] = []
    look_up = index.search

    def noted(terms: Sequence[str], selection: Selection, limit: int) -> list[Candidate]:
        searched.append(terms)
        return look_up(terms, selection, limit)

    monkeypatch.setattr(index, "search", noted)
    assert len(asked(index, first, limit=100)) == 9
    assert len(searched) == 8
    assert all(len(terms) == 1 for terms in searched)
