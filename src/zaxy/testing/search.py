"""The contract of a search index in executable form: inherit `SearchContract` and give it a back end.

What it says of endings stands in `zaxy.testing.endings`, whose contract holds this one.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Final

from zaxy.clock import parse_time
from zaxy.ids import EventRef
from zaxy.projections.protocols import SearchIndex
from zaxy.projections.search.analysis import analyzer, search_text
from zaxy.projections.selection import Names, Selection
from zaxy.testing.projections import SECOND, ProjectionContract, feed, make_event, make_meaning, positions_after
from zaxy.vocabulary.model import EventClass, Invalidation, Meaning

Resolve = Callable[[EventRef], Meaning | None]

SCORE_TOLERANCE: Final = 1e-3
"""Relative: an index on disk keeps 32-bit floats, and lengths from 40 terms on only roughly."""


def no_log(_: EventRef) -> Meaning | None:
    """Resolve nothing: what a store is given whose events are never ended later."""
    return None


def resolver(meanings: Sequence[Meaning]) -> Resolve:
    """Return what gives a store these events again, as a log does."""
    return {meaning.event.ref: meaning for meaning in meanings}.get


def say(session_id: str, seq: int, text: str, **members: Any) -> Meaning:
    """Return an event that says ``text``, recorded ``seq`` seconds after 1970.

    Args:
        session_id: Its session.
        seq: Its place there.
        text: What can be searched.
        **members: ``recorded`` and ``occurred`` (microseconds), ``event_type``, ``actor``, ``housekeeping``, and
            ``ends``: the `Invalidation` values that it makes.
    """
    event = make_event(session_id, seq, recorded=members.pop("recorded", None), occurred=members.pop("occurred", None))
    ends, housekeeping = members.pop("ends", ()), members.pop("housekeeping", False)
    meaning = make_meaning(replace(event, **members), ends=ends, text=text)
    if housekeeping:
        meaning = replace(meaning, extraction=replace(meaning.extraction, event_class=EventClass.HOUSEKEEPING))
    return meaning


def end(
    session_id: str,
    seq: int,
    target: tuple[str, int],
    *,
    moment: int,
    recorded: int,
    lifted: bool = False,
    known_from: int | None = None,
) -> Meaning:
    """Return the event by which ``target`` stops being so at ``moment``, or that takes this back; all microseconds."""
    told = (Invalidation(*target, moment, lifted, known_from),)
    return say(session_id, seq, "", recorded=recorded, ends=told, housekeeping=True)


def terms_of(text: str) -> list[str]:
    """Return the distinct terms of a question, as every store analyzes it."""
    return list(dict.fromkeys(analyzer().terms(text)))


def found(
    store: SearchIndex, text: str, selection: Selection | None = None, *, limit: int = 1_000
) -> list[tuple[str, int]]:
    """Return which events a store finds, best first."""
    candidates = store.search(terms_of(text), selection or Selection(), limit)
    return [(candidate.ref.session_id, candidate.ref.seq) for candidate in candidates]


def okapi(meanings: Sequence[Meaning], terms: Sequence[str]) -> list[float]:
    """Return the BM25 score of each event for these terms, from the formula (k1 = 1.2, b = 0.75) and nothing else."""
    counted = [Counter(analyzer().terms(search_text(meaning))) for meaning in meanings]
    mean = sum(count.total() for count in counted) / len(counted)

    def weight(term: str) -> float:
        holding = sum(term in count for count in counted)
        return math.log(1 + (len(counted) - holding + 0.5) / (holding + 0.5))

    return [
        sum(
            weight(term) * count[term] * 2.2 / (count[term] + 1.2 * (0.25 + 0.75 * count.total() / mean))
            for term in terms
            if count[term]
        )
        for count in counted
    ]


def is_close(one: float, other: float) -> bool:
    """Return whether two scores are the same as far as a store promises."""
    return math.isclose(one, other, rel_tol=SCORE_TOLERANCE)


_TEXTS: Final = (
    "the parser reads tokens",
    "the parser, the lexer and the printer of the parser",
    "goals of the parser team: ship, test, document, and ship again",
    "lunch at noon with the printer people",
    " ".join(["token"] * 5 + ["word"] * 30),
    "nothing of that kind",
)


class SearchContract(ProjectionContract):
    """What holds for every search index."""

    def make_store(self, folder: Path, resolve: Resolve = no_log) -> SearchIndex:
        """Return a store that keeps its files, if it has any, in ``folder``: a new one, or the one that lies there.

        Args:
            folder: Where.
            resolve: Gives an event again that is to be indexed again.
        """
        raise NotImplementedError  # which store is tested, the class that inherits the contract says

    @contextlib.contextmanager
    def holding(self, folder: Path, *meanings: Meaning, batch: int = 1_000) -> Iterator[SearchIndex]:
        """Give a store that took in these events."""
        with contextlib.closing(self.make_store(folder, resolver(meanings))) as store:
            feed(store, meanings, batch=batch)
            yield store

    def test_an_event_is_found_by_any_of_its_words_in_any_form(self, tmp_path: Path) -> None:
        meanings = [say("one", 1, "Our GOALS: shipping parsers"), say("one", 2, "a walk")]
        with self.holding(tmp_path, *meanings) as store:
            for word in ("goal", "goals", "ship", "shipped", "Parser", "absent parser", "goal goal"):
                assert found(store, word) == [("one", 1)], word
            assert found(store, "walking lexers goal") == [("one", 2), ("one", 1)]
            assert found(store, "absent") == []
            assert store.search([], Selection(), 5) == []

    def test_events_are_ranked_by_bm25(self, tmp_path: Path) -> None:
        meanings = [say("one", seq, text) for seq, text in enumerate(_TEXTS, 1)]
        with self.holding(tmp_path, *meanings) as store:
            for question in ("parser", "parser printer", "ship the token", "goals and tokens of the printers", "noon"):
                terms = terms_of(question)
                wanted = {seq: score for seq, score in enumerate(okapi(meanings, terms), 1) if score}
                candidates = store.search(terms, Selection(), 100)
                assert [item.ref.seq for item in candidates] == sorted(wanted, key=lambda seq: (-wanted[seq], seq))
                assert all(is_close(item.score, wanted[item.ref.seq]) for item in candidates), question

    def test_filters_do_not_change_a_score(self, tmp_path: Path) -> None:
        meanings = [say("one", seq, text) for seq, text in enumerate(_TEXTS, 1)]
        with self.holding(tmp_path, *meanings) as store:
            terms = terms_of("parser printer")
            free = store.search(terms, Selection(), 10)
            narrow = Selection(Names.of("o*"), Names.of("note.*"), Names.of("ann"), 0, 9 * SECOND, 9 * SECOND)
            bound = store.search(terms, narrow, 10)
            assert [item.ref for item in bound] == [item.ref for item in free]
            assert all(is_close(one.score, other.score) for one, other in zip(bound, free, strict=True))

    def test_no_more_than_the_limit_and_only_the_best_are_returned(self, tmp_path: Path) -> None:
        meanings = [say("one", seq, "word " * seq + "other " * (9 - seq)) for seq in range(1, 9)]
        with self.holding(tmp_path, *meanings) as store:
            best = [("one", seq) for seq in range(8, 0, -1)]
            for limit in (0, 1, 3, 8, 100):
                assert found(store, "word", limit=limit) == best[:limit]

    def test_events_that_score_alike_are_ordered_by_number_and_session(self, tmp_path: Path) -> None:
        meanings = [say(session, seq, "same words") for session in ("b", "c", "a") for seq in (1, 2)]
        ordered = [(session, seq) for seq in (1, 2) for session in "abc"]
        with self.holding(tmp_path, *meanings, batch=2) as store:
            assert found(store, "words") == ordered

    def test_of_events_that_score_alike_a_limit_keeps_the_first_by_session_and_number(self, tmp_path: Path) -> None:
        meanings = [say(session, seq, "same words") for session in ("b", "c", "a") for seq in (1, 2)]
        ordered = [(session, seq) for seq in (1, 2) for session in "abc"]
        with self.holding(tmp_path, *meanings, batch=2) as store:
            for limit in (1, 3, 5):
                assert found(store, "words", limit=limit) == ordered[:limit]

    def test_sessions_are_chosen_by_id_and_by_glob(self, tmp_path: Path) -> None:
        names = ("chat-1", "chat-2", "chat-10", "chat", "work")
        meanings = [say(name, 1, "word") for name in names]
        with self.holding(tmp_path, *meanings) as store:
            for wanted, expected in (
                (["chat"], ["chat"]),
                (["chat-*"], ["chat-1", "chat-10", "chat-2"]),
                (["chat-?", "work"], ["chat-1", "chat-2", "work"]),
                (["*[!0-9]"], ["chat", "work"]),
                (["chat-[23]"], ["chat-2"]),
                (["absent", "x*"], []),
                ([], []),
            ):
                assert [name for name, _ in found(store, "word", Selection(Names.of(wanted)))] == expected, wanted

    def test_types_and_actors_are_chosen_by_name_and_by_glob(self, tmp_path: Path) -> None:
        meanings = [
            say("one", 1, "word", event_type="goal.created", actor="ann"),
            say("one", 2, "word", event_type="goal.completed", actor="Ann Lee"),
            say("one", 3, "word", event_type="goals.created", actor="bob (agent) #1"),
        ]
        with self.holding(tmp_path, *meanings) as store:

            def numbers(event_types: str | list[str] | None = None, actors: str | list[str] | None = None) -> list[int]:
                selection = Selection(event_types=Names.of(event_types), actors=Names.of(actors))
                return [seq for _, seq in found(store, "word", selection)]

            assert numbers(event_types="goal.*") == [1, 2]
            assert numbers(event_types="*.created") == [1, 3]
            assert numbers(event_types=["goal.completed", "goals.*"]) == [2, 3]
            assert numbers(actors="ann") == [1]
            assert numbers(actors="Ann *") == [2]
            assert numbers(actors="bob (agent) #?") == [3]
            assert numbers(actors=["ann", "bob*"], event_types="*.created") == [1, 3]

    def test_the_time_in_the_world_is_bounded_on_both_sides(self, tmp_path: Path) -> None:
        moments = (-5, 0, 3, 7)
        meanings = [say("one", seq, "word", occurred=moment * SECOND) for seq, moment in enumerate(moments, 1)]
        with self.holding(tmp_path, *meanings) as store:
            for low, high, as_of in product((None, -5, 1, 3), (None, -5, 3, 6), (None, -1, 7)):
                expected = [
                    ("one", seq)
                    for seq, moment in enumerate(moments, 1)
                    if (low is None or low <= moment)
                    and (high is None or moment <= high)
                    and (as_of is None or moment <= as_of)
                ]
                low_at, high_at, at = (None if bound is None else bound * SECOND for bound in (low, high, as_of))
                selection = Selection(occurred_from=low_at, occurred_to=high_at, as_of=at)
                assert found(store, "word", selection) == expected, (low, high, as_of)

    def test_only_what_was_known_then_is_returned(self, tmp_path: Path) -> None:
        meanings = [say("one", 1, "word", recorded=5, occurred=1), say("one", 2, "word", recorded=7, occurred=0)]
        with self.holding(tmp_path, *meanings) as store:
            for moment, expected in ((4, []), (5, [("one", 1)]), (6, [("one", 1)]), (7, [("one", 1), ("one", 2)])):
                assert found(store, "word", Selection(known_at=moment)) == expected

    def test_housekeeping_is_returned_only_when_asked_for(self, tmp_path: Path) -> None:
        meanings = [say("one", 1, "word", housekeeping=True), say("one", 2, "word")]
        with self.holding(tmp_path, *meanings) as store:
            assert found(store, "word") == [("one", 2)]
            assert found(store, "word", Selection(housekeeping=True)) == [("one", 1), ("one", 2)]

    def test_a_dropped_session_is_found_no_more_and_the_others_are(self, tmp_path: Path) -> None:
        meanings = [say(name, seq, f"word {name}") for name in ("one", "two") for seq in (1, 2)]
        with self.holding(tmp_path, *meanings) as store:
            store.drop(["one", "absent"])
            assert found(store, "word one") == [("two", 1), ("two", 2)]
            figures = store.statistics([])
            assert (figures.documents, figures.tokens) == (2, 4 + 2 * len("1 january 1970 thursday".split()))
            feed(store, meanings[:2])
            assert sorted(found(store, "word")) == [("one", 1), ("one", 2), ("two", 1), ("two", 2)]

    def test_a_reset_store_finds_nothing_until_it_is_fed_again(self, tmp_path: Path) -> None:
        meanings = [say("one", 1, "word"), say("one", 2, "word"), end("two", 1, ("one", 1), moment=2, recorded=3)]
        with self.holding(tmp_path, *meanings) as store:
            for _ in range(2):
                store.reset()
                assert found(store, "word", Selection(housekeeping=True)) == []
                figures = store.statistics(["word"])
                assert (figures.documents, figures.tokens, figures.frequencies["word"]) == (0, 0, 0)
                feed(store, meanings)
                assert found(store, "word", Selection(now=5)) == [("one", 2)]

    def test_the_statistics_count_documents_terms_and_where_each_stands(self, tmp_path: Path) -> None:
        meanings = [say("one", seq, text) for seq, text in enumerate(_TEXTS, 1)]
        with self.holding(tmp_path, *meanings, batch=2) as store:
            terms = terms_of("parser token absent")
            figures = store.statistics(terms)
            assert figures.documents == len(_TEXTS)
            assert figures.tokens == sum(len(analyzer().terms(search_text(meaning))) for meaning in meanings)
            assert dict(figures.frequencies) == dict(zip(terms, (3, 2, 0), strict=True))

    def test_text_of_any_script_is_found_by_its_words(self, tmp_path: Path) -> None:
        texts = (
            "Zürich, naïve café",
            "привет мир",
            "שלום עולם",
            "日本語 テスト",
            "سلام دنیا",
            "🙂 smile 🙂",
            "",
            "  \n",
        )
        meanings = [say("one", seq, text) for seq, text in enumerate(texts, 1)]
        with self.holding(tmp_path, *meanings) as store:
            for seq, question in enumerate(("ZURICH", "Привет", "עולם", "日本語", "دنیا", "smile"), 1):
                assert found(store, question) == [("one", seq)], question
            assert found(store, "🙂") == []
            assert store.statistics([]).documents == len(texts)

    def test_an_event_with_a_text_is_found_by_the_day_it_happened_on(self, tmp_path: Path) -> None:
        may, june = (parse_time(day) for day in ("2023-05-08T23:59:59Z", "2023-06-08"))
        meanings = [say("one", 1, "word", occurred=may), say("one", 2, "word", occurred=june), say("one", 3, "")]
        with self.holding(tmp_path, *meanings) as store:
            assert found(store, "8 May") == [("one", 1), ("one", 2)]
            assert found(store, "a Monday of 2023")[0] == ("one", 1)
            assert found(store, "June") == [("one", 2)]
            assert found(store, "1970") == []

    def test_a_durable_store_holds_the_same_when_it_is_opened_again(self, tmp_path: Path) -> None:
        meanings = [say("one", 1, "word"), say("two", 1, "word"), end("two", 2, ("one", 1), moment=5, recorded=6)]
        with self.holding(tmp_path, *meanings, batch=1) as store:
            durable, before = store.capabilities.durable, found(store, "word", Selection(now=9))
        with contextlib.closing(self.make_store(tmp_path, resolver(meanings))) as store:
            kept = found(store, "word", Selection(now=9)) if durable else before
            assert kept == before == [("two", 1)]
            assert dict(store.cursor()) == (positions_after(meanings) if durable else {})
