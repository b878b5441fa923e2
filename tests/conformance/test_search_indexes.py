"""Every search index keeps the one contract, and all of them find the same whatever they are fed with."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zaxy.ids import EventRef
from zaxy.projections.protocols import Candidate, SearchIndex
from zaxy.projections.search.analysis import analyzer, search_text
from zaxy.projections.search.layered import LayeredSearch
from zaxy.projections.search.memory import MemorySearch
from zaxy.projections.search.tantivy_index import TantivySearch
from zaxy.projections.selection import Names, Selection
from zaxy.testing.endings import EndingsContract
from zaxy.testing.projections import feed, is_ended, marks_in, with_restored
from zaxy.testing.search import Resolve, end, is_close, no_log, resolver, say
from zaxy.vocabulary.model import VOID, EventClass, Invalidation, Meaning


class TestMemorySearch(EndingsContract):
    def make_store(self, folder: Path, resolve: Resolve = no_log) -> MemorySearch:
        return MemorySearch()


class TestTantivySearch(EndingsContract):
    def make_store(self, folder: Path, resolve: Resolve = no_log) -> TantivySearch:
        return TantivySearch(folder / "search", resolve=resolve)


SESSIONS = ("one", "two", "t-3")
WORDS = ("goal", "goals", "ship", "parser", "the", "Zürich")
TYPES = ("goal.created", "goal.completed", "note.made")
ACTORS = ("ann", "Ann Lee", "bob\tand\nco", "é [x] ^-!")
MOMENTS = st.integers(-2, 6)
ENDS = st.builds(
    Invalidation,
    st.sampled_from(SESSIONS),
    st.sampled_from([1, 1, 1, 2, 4]),  # few targets and moments: what is taken back is to be something that was said
    st.sampled_from([VOID, VOID, VOID, 0, 3]),
    st.booleans(),
    st.none() | MOMENTS,
)
CHOICES = st.none() | st.lists(
    st.sampled_from(["one", "t*", "?wo", "[!t]*", "goal.*", "*.created", "ann", "Ann *", "* *", "bob*", "*[x]*"]),
    max_size=2,
).map(Names.of)
SELECTIONS = st.builds(
    Selection,
    sessions=CHOICES,
    event_types=CHOICES,
    actors=CHOICES,
    occurred_from=st.none() | MOMENTS,
    occurred_to=st.none() | MOMENTS,
    as_of=st.none() | MOMENTS,
    known_at=st.none() | MOMENTS,
    now=MOMENTS,
    housekeeping=st.booleans(),
    history=st.sampled_from([False, False, True]),
)
QUESTIONS = st.lists(st.sampled_from(["goal", "ship", "parser", "the", "zurich", "absent"]), max_size=3, unique=True)


@st.composite
def meanings_of(draw: st.DrawFn, session: str, *, ends: bool = True) -> list[Meaning]:
    return [
        say(
            session,
            seq,
            " ".join(draw(st.lists(st.sampled_from(WORDS), max_size=5))),
            recorded=draw(MOMENTS),
            occurred=draw(st.none() | MOMENTS),
            event_type=draw(st.sampled_from(TYPES)),
            actor=draw(st.sampled_from(ACTORS)),
            housekeeping=draw(st.integers(0, 4)) == 0,
            ends=draw(st.lists(ENDS, max_size=3, unique_by=lambda told: (told.session_id, told.seq))) if ends else (),
        )
        for seq in range(1, draw(st.integers(0, 5)) + 1)
    ]


HISTORIES = st.tuples(*(meanings_of(session) for session in SESSIONS))
PLAIN_HISTORIES = st.tuples(*(meanings_of(session, ends=False) for session in SESSIONS))
ASKED = st.lists(st.tuples(QUESTIONS, SELECTIONS), min_size=8, max_size=8)
FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def refs(candidates: list[Candidate]) -> list[EventRef]:
    return sorted(candidate.ref for candidate in candidates)


def shuffled(history: tuple[list[Meaning], ...], chance: random.Random) -> list[Meaning]:
    order = list(history)
    chance.shuffle(order)
    return list(itertools.chain(*order))


@FEW
@given(HISTORIES, ASKED, st.randoms(use_true_random=False), st.integers(1, 6))
def test_both_indexes_find_the_same_events_in_any_order_and_after_dropping(
    history: tuple[list[Meaning], ...],
    asked: list[tuple[list[str], Selection]],
    chance: random.Random,
    batch: int,
) -> None:
    everything = list(itertools.chain(*history))
    memory = MemorySearch()
    with (
        TemporaryDirectory() as folder,
        contextlib.closing(TantivySearch(Path(folder), resolve=resolver(everything))) as durable,
    ):

        def check() -> None:
            for terms, selection in asked:
                assert refs(durable.search(terms, selection, 100)) == refs(memory.search(terms, selection, 100))

        feed(memory, everything)
        feed(durable, shuffled(history, chance), batch=batch)
        check()
        gone = chance.choice(SESSIONS)
        stores: tuple[SearchIndex, ...] = (memory, durable)
        for store in stores:
            store.drop([gone])
        check()
        for store in stores:
            feed(store, [meaning for meaning in everything if meaning.event.session_id == gone], batch=batch)
        check()


@FEW
@given(PLAIN_HISTORIES, ASKED, st.randoms(use_true_random=False), st.integers(1, 6))
def test_both_indexes_rank_alike(
    history: tuple[list[Meaning], ...],
    asked: list[tuple[list[str], Selection]],
    chance: random.Random,
    batch: int,
) -> None:
    memory = MemorySearch()
    with TemporaryDirectory() as folder, contextlib.closing(TantivySearch(Path(folder), resolve=no_log)) as durable:
        feed(memory, list(itertools.chain(*history)))
        feed(durable, shuffled(history, chance), batch=batch)
        for terms, selection in asked:
            wanted = {candidate.ref: candidate.score for candidate in memory.search(terms, selection, 100)}
            given_ = durable.search(terms, selection, 100)
            assert all(is_close(candidate.score, wanted[candidate.ref]) for candidate in given_)
            for better, worse in itertools.pairwise(candidate.ref for candidate in given_):
                assert wanted[better] >= wanted[worse] or is_close(wanted[better], wanted[worse])


def expected_refs(everything: Sequence[Meaning], terms: list[str], selection: Selection) -> list[EventRef]:
    """What may be found, event by event, from the marks and the selection alone."""
    marks, found = marks_in(everything), []
    for meaning in everything:
        event, held = meaning.event, analyzer().terms(search_text(meaning))
        admitted = selection.admits(
            event.session_id,
            event.event_type,
            event.actor,
            event.occurred_moment,
            event.recorded_moment,
            housekeeping=meaning.extraction.event_class is EventClass.HOUSEKEEPING,
        )
        gone = is_ended(marks.get(event.ref, ()), selection.world_moment, selection.known_at)
        if admitted and set(terms) & set(held) and (selection.history or not gone):
            found.append(event.ref)
    return sorted(found)


@settings(FEW, max_examples=60)
@given(HISTORIES, ASKED, st.randoms(use_true_random=False))
def test_what_is_found_is_what_the_marks_say_in_whatever_order_the_sessions_come(
    history: tuple[list[Meaning], ...], asked: list[tuple[list[str], Selection]], chance: random.Random
) -> None:
    memory = MemorySearch()
    feed(memory, shuffled(history, chance), batch=3)
    everything = list(itertools.chain(*history))
    for terms, selection in asked:
        assert refs(memory.search(terms, selection, 100)) == expected_refs(everything, terms, selection)


def check_layers(
    base: MemorySearch | TantivySearch,
    history: tuple[list[Meaning], ...],
    asked: list[tuple[list[str], Selection]],
    data: st.DataObject,
) -> None:
    """Cut each session into what the base holds and what the tail holds, and ask both as one."""
    everything = with_restored(list(itertools.chain(*history)))
    tail = MemorySearch()
    below, above = [], []
    for session in SESSIONS:
        meanings = [meaning for meaning in everything if meaning.event.session_id == session]
        cut = data.draw(st.integers(0, len(meanings)))
        below += meanings[:cut]
        above += meanings[cut:]
    feed(base, below, batch=4)
    feed(tail, above)
    layered = LayeredSearch(base, tail)
    for terms, selection in asked:
        expected = expected_refs(everything, terms, selection)
        assert refs(layered.search(terms, selection, 100)) == expected
        for limit in (0, 1, 3):
            some = layered.search(terms, selection, limit)
            assert len({candidate.ref for candidate in some}) == len(some) == min(limit, len(expected))


@settings(FEW, max_examples=150)
@given(HISTORIES, ASKED, st.data())
def test_a_base_and_a_tail_find_what_one_index_with_both_finds(
    history: tuple[list[Meaning], ...], asked: list[tuple[list[str], Selection]], data: st.DataObject
) -> None:
    check_layers(MemorySearch(), history, asked, data)


@settings(FEW, max_examples=20)
@given(HISTORIES, ASKED, st.data())
def test_an_index_on_disk_and_a_tail_find_what_one_index_with_both_finds(
    history: tuple[list[Meaning], ...], asked: list[tuple[list[str], Selection]], data: st.DataObject
) -> None:
    resolve = resolver(list(itertools.chain(*history)))
    with TemporaryDirectory() as folder, contextlib.closing(TantivySearch(Path(folder), resolve=resolve)) as base:
        check_layers(base, history, asked, data)


def test_a_tail_that_ends_much_of_what_the_index_holds_leaves_room_for_the_rest() -> None:
    base, tail = MemorySearch(), MemorySearch()
    feed(base, [say("one", seq, "word") for seq in range(1, 301)])
    ends = [Invalidation("one", seq, VOID) for seq in range(1, 291)]
    feed(tail, [say("two", 1, "", housekeeping=True, ends=ends), say("two", 2, "word")])
    found = LayeredSearch(base, tail).search(["word"], Selection(now=9), 5)
    assert sorted(candidate.ref.seq for candidate in found) == [2, 291, 292, 293, 294]


def test_an_ending_in_the_tail_that_the_index_knows_to_be_taken_back_ends_nothing() -> None:
    base, tail = MemorySearch(), MemorySearch()
    target = say("one", 1, "word", recorded=1, occurred=1)
    feed(base, [target, end("two", 1, ("one", 1), moment=VOID, recorded=30, lifted=True)])
    feed(tail, [end("three", 1, ("one", 1), moment=VOID, recorded=20)])
    layered = LayeredSearch(base, tail)
    for known_at, there in ((19, True), (20, False), (29, False), (30, True), (None, True)):
        found = layered.search(["word"], Selection(known_at=known_at, now=90), 5)
        assert [candidate.ref for candidate in found] == [target.event.ref] * there, known_at


def test_what_the_index_holds_as_ended_is_found_again_through_the_tail_that_takes_it_back() -> None:
    target = say("one", 1, "word", recorded=1, occurred=1)
    lift = replace(end("two", 1, ("one", 1), moment=VOID, recorded=30, lifted=True), restored=(target,))
    base, tail = MemorySearch(), MemorySearch()
    feed(base, [target, end("one", 2, ("one", 1), moment=VOID, recorded=20)])
    feed(tail, [lift])
    layered = LayeredSearch(base, tail)
    for known_at, there in ((1, True), (19, True), (20, False), (29, False), (30, True), (None, True)):
        found = layered.search(["word"], Selection(known_at=known_at, now=90), 5)
        assert [candidate.ref for candidate in found] == [target.event.ref] * there, known_at
    assert layered.search(["word"], Selection(now=90, sessions=Names.of("two")), 5) == []
    assert tail.search(["word"], Selection(now=90), 5) == []
    assert layered.statistics(["word"]).frequencies == {"word": 1}
    base.drop(["one"])
    assert layered.search(["word"], Selection(now=90), 5) == []
