"""Both graph stores keep the one contract, and answer alike whatever they are fed with."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zaxy.projections.graph.ladybug_store import LadybugGraph
from zaxy.projections.graph.layered import LayeredGraph
from zaxy.projections.graph.memory import MemoryGraph
from zaxy.testing.graph import GraphContract, answers_of, plain_tokens
from zaxy.testing.projections import SECOND, feed, make_event, make_meaning
from zaxy.vocabulary.model import VOID, EntityRef, EntityStatement, Invalidation, Meaning, RelationStatement, Role


class TestMemoryGraph(GraphContract):
    def make_store(self, folder: Path) -> MemoryGraph:
        return MemoryGraph(plain_tokens)


class TestLadybugGraph(GraphContract):
    def make_store(self, folder: Path) -> LadybugGraph:
        return LadybugGraph(folder / "embedded.kuzu", analyze=plain_tokens)


SESSIONS = ("one", "two", "three")
MOMENTS = st.integers(-3, 6).map(lambda number: number * SECOND)
ENTITIES = st.builds(
    EntityStatement,
    st.builds(
        EntityRef,
        st.sampled_from(["task", "person", "policy"]),
        st.sampled_from(["Ann", "ANN", "fix it", "Fix It", "task"]),
    ),
    st.sampled_from(Role),
    st.sampled_from(["", "open"]),
    st.booleans(),
)
ENDS = st.builds(Invalidation, st.sampled_from(SESSIONS), st.integers(1, 4), st.just(VOID) | MOMENTS, st.booleans())


@st.composite
def meanings_of(draw: st.DrawFn, session: str) -> list[Meaning]:
    meanings = []
    for seq in range(1, draw(st.integers(0, 6)) + 1):
        event = make_event(session, seq, recorded=draw(MOMENTS), occurred=draw(st.none() | MOMENTS))
        entities = draw(st.lists(ENTITIES, max_size=3))
        ends = st.sampled_from(entities).map(lambda told: told.entity) if entities else st.nothing()
        links = st.builds(RelationStatement, ends, st.sampled_from(["OWNS", "KNOWS"]), ends, st.booleans())
        relations = draw(st.lists(links, max_size=3)) if entities else []
        endings = draw(st.lists(ENDS, max_size=2))
        meanings.append(
            make_meaning(event, *entities, relations=relations, ends=endings, trust=draw(st.integers(0, 4)))
        )
    return meanings


HISTORIES = st.tuples(*(meanings_of(session) for session in SESSIONS))
FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@contextmanager
def both() -> Iterator[tuple[MemoryGraph, LadybugGraph]]:
    with TemporaryDirectory() as folder:
        durable = LadybugGraph(Path(folder) / "embedded.kuzu", analyze=plain_tokens)
        try:
            yield MemoryGraph(plain_tokens), durable
        finally:
            durable.close()


@FEW
@given(HISTORIES, st.randoms(use_true_random=False), st.integers(1, 5))
def test_both_stores_answer_alike_in_any_order_and_after_dropping(
    history: tuple[list[Meaning], ...], chance: random.Random, batch: int
) -> None:
    everything = list(itertools.chain(*history))
    with both() as (memory, durable):
        reference = MemoryGraph(plain_tokens)
        feed(reference, everything)
        expected = answers_of(reference, everything)
        for store in (memory, durable):
            order = list(history)
            chance.shuffle(order)
            feed(store, list(itertools.chain(*order)), batch=batch)
            assert answers_of(store, everything) == expected
        gone = chance.choice(SESSIONS)
        dropped = [meaning for meaning in everything if meaning.event.session_id == gone]
        for store in (memory, durable):
            store.drop([gone])
        without = MemoryGraph(plain_tokens)
        feed(without, [meaning for meaning in everything if meaning.event.session_id != gone])
        for store in (memory, durable):
            assert answers_of(store, everything) == answers_of(without, everything)
            feed(store, dropped, batch=batch)
            assert answers_of(store, everything) == expected


@settings(FEW, max_examples=150)
@given(HISTORIES, st.data())
def test_a_base_and_a_tail_read_as_the_graph_of_both(history: tuple[list[Meaning], ...], data: st.DataObject) -> None:
    everything = list(itertools.chain(*history))
    base, tail, whole = (MemoryGraph(plain_tokens) for _ in range(3))
    for meanings in history:
        cut = data.draw(st.integers(0, len(meanings)))
        feed(base, meanings[:cut])
        feed(tail, meanings[cut:])
    feed(whole, everything)
    assert answers_of(LayeredGraph(base, tail), everything) == answers_of(whole, everything)


@settings(FEW, max_examples=60)
@given(HISTORIES, st.data())
def test_a_base_that_moved_on_into_its_tail_reads_as_the_graph_of_both(
    history: tuple[list[Meaning], ...], data: st.DataObject
) -> None:
    everything = list(itertools.chain(*history))
    base, tail, whole = (MemoryGraph(plain_tokens) for _ in range(3))
    for meanings in history:
        feed(base, meanings)
        feed(tail, meanings[data.draw(st.integers(0, len(meanings))) :])
    feed(whole, everything)
    assert answers_of(LayeredGraph(base, tail), everything) == answers_of(whole, everything)
