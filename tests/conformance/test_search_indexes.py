"""Every search index keeps the one contract, and all of them find the same whatever they are fed with."""

from __future__ import annotations

import contextlib
import itertools
import random
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zaxy.ids import EventRef
from zaxy.projections.protocols import Candidate, SearchIndex
from zaxy.projections.search.layered import LayeredSearch
from zaxy.projections.search.memory import MemorySearch
from zaxy.projections.search.tantivy_index import TantivySearch
from zaxy.projections.selection import Names, Selection
from zaxy.testing.projections import feed
from zaxy.testing.search import Resolve, SearchContract, is_close, no_log, resolver, say
from zaxy.vocabulary.model import Invalidation, Meaning


class TestMemorySearch(SearchContract):
    def make_store(self, folder: Path, resolve: Resolve = no_log) -> MemorySearch:
        return MemorySearch()


class TestTantivySearch(SearchContract):
    def make_store(self, folder: Path, resolve: Resolve = no_log) -> TantivySearch:
        return TantivySearch(folder / "search", resolve=resolve)


SESSIONS = ("one", "two", "t-3")
WORDS = ("goal", "goals", "ship", "parser", "the", "Zürich")
TYPES = ("goal.created", "goal.completed", "note.made")
ACTORS = ("ann", "Ann Lee", "bob\tand\nco", "é [x] ^-!")
MOMENTS = st.integers(-2, 6)
ENDS = st.builds(Invalidation, st.sampled_from(SESSIONS), st.integers(1, 4), MOMENTS)
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
            ends=draw(st.lists(ENDS, max_size=2)) if ends else (),
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


@settings(FEW, max_examples=60)
@given(HISTORIES, ASKED, st.data())
def test_a_base_and_a_tail_find_what_one_index_with_both_finds(
    history: tuple[list[Meaning], ...], asked: list[tuple[list[str], Selection]], data: st.DataObject
) -> None:
    base, tail, whole = MemorySearch(), MemorySearch(), MemorySearch()
    below, above = [], []
    for meanings in history:
        cut = data.draw(st.integers(0, len(meanings)))
        below += meanings[:cut]
        above += meanings[cut:]
    feed(base, below)
    feed(tail, above)
    feed(whole, list(itertools.chain(*history)))
    layered = LayeredSearch(base, tail)
    ended_below = base.endings()
    unchecked = {meaning.event.ref for meaning in above if meaning.event.ref in ended_below}  # recall asks the graph
    for terms, selection in asked:
        both = {candidate.ref for candidate in layered.search(terms, selection, 100)}
        assert both - unchecked == {candidate.ref for candidate in whole.search(terms, selection, 100)} - unchecked
        for limit in (0, 1, 3):
            assert len(layered.search(terms, selection, limit)) == min(limit, len(both))
