"""Every forward index keeps the contract; two layers hold what one index holds; and columns say what rows say."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zaxy.ids import EventRef
from zaxy.projections.columns import Figures
from zaxy.projections.forward.layered import LayeredForward
from zaxy.projections.forward.memory import MemoryForward
from zaxy.projections.forward.passages import Passages, read_passages
from zaxy.projections.forward.sqlite_index import SqliteForward
from zaxy.projections.protocols import ForwardReader
from zaxy.projections.search.analysis import analyzer, search_text
from zaxy.projections.selection import Names, Selection
from zaxy.testing.forward import ForwardContract, endings_in, rows_in, rows_of
from zaxy.testing.projections import feed, is_ended, marks_in
from zaxy.testing.search import say
from zaxy.vocabulary.model import VOID, EventClass, Invalidation, Meaning


class TestMemoryForward(ForwardContract):
    def make_store(self, folder: Path) -> MemoryForward:
        return MemoryForward()


class TestSqliteForward(ForwardContract):
    def make_store(self, folder: Path) -> SqliteForward:
        return SqliteForward(folder / "forward.sqlite")


SESSIONS = ("one", "two", "t-3")
WORDS = ("goal", "goals", "ship", "I", "parser?", "yesterday", "Zürich")
MOMENTS = st.integers(-2, 6)
ENDS = st.builds(
    Invalidation,
    st.sampled_from(SESSIONS),
    st.integers(1, 12),
    st.sampled_from([VOID, VOID, 3]) | MOMENTS,
    st.booleans(),
)
CHOICES = st.none() | st.lists(
    st.sampled_from(["one", "t*", "?wo", "goal.*", "*.created", "ann", "Ann *", "bob*"]), max_size=2
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
    history=st.sampled_from([False, False, True]),
)
REFS = st.lists(st.builds(EventRef, st.sampled_from((*SESSIONS, "absent")), st.integers(1, 14)), max_size=5)
TERMS = st.lists(st.sampled_from(["goal", "ship", "parser", "i", "januari", "absent"]), max_size=4)
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@st.composite
def meanings_of(draw: st.DrawFn, session: str) -> list[Meaning]:
    return [
        say(
            session,
            seq,
            " ".join(draw(st.lists(st.sampled_from(WORDS), max_size=4))),
            recorded=draw(MOMENTS),
            occurred=draw(st.none() | MOMENTS),
            event_type=draw(st.sampled_from(["goal.created", "note.made"])),
            actor=draw(st.sampled_from(["ann", "Ann Lee", "bob"])),
            housekeeping=draw(st.integers(0, 4)) == 0,
            ends=draw(st.lists(ENDS, max_size=2, unique_by=lambda told: (told.session_id, told.seq))),
        )
        for seq in range(1, draw(st.integers(0, 12)) + 1)
    ]


HISTORIES = st.tuples(*(meanings_of(session) for session in SESSIONS))


def near(refs: list[EventRef], ref: EventRef, radius: int) -> bool:
    return any(other.session_id == ref.session_id and abs(other.seq - ref.seq) <= radius for other in refs)


def is_admitted(meaning: Meaning, everything: list[Meaning], selection: Selection) -> bool:
    """What the selection itself says of one event, given all there is."""
    event, marks = meaning.event, marks_in(everything).get(meaning.event.ref, ())
    gone = is_ended(marks, selection.world_moment, selection.known_at)
    return (selection.history or not gone) and selection.admits(
        event.session_id,
        event.event_type,
        event.actor,
        event.occurred_moment,
        event.recorded_moment,
        housekeeping=False,
    )


def check_columns(
    found: Passages, expected: list[Meaning], everything: list[Meaning], terms: list[str], selection: Selection
) -> None:
    places = [(found.sessions[session], int(seq)) for session, seq in zip(found.session, found.seq, strict=True)]
    assert places == [(meaning.event.session_id, meaning.event.seq) for meaning in expected]
    for place, meaning in enumerate(expected):
        (row,) = rows_of([meaning], [(meaning.event.session_id, meaning.event.seq, meaning.event.seq)])
        figures = Figures.unpack(row.figures)
        counts = Counter(analyzer().terms(search_text(meaning)))
        assert found.counts[place].tolist() == [counts[term] for term in terms]
        assert found.occurred[place] == meaning.event.occurred_moment
        assert found.speakers[found.speaker[place]] == meaning.event.actor
        assert (found.flags[place], found.length[place]) == (figures.flags, counts.total())
        assert found.first_person[place] == np.float32(figures.first_person / max(1, figures.words))
        assert found.capitals[place] == figures.capitals
        assert found.admitted[place] == is_admitted(meaning, everything, selection)


@FEW
@given(HISTORIES, REFS, TERMS, SELECTIONS, st.integers(0, 3))
def test_the_columns_hold_what_the_events_around_the_candidates_hold_and_admit_what_the_selection_admits(
    history: tuple[list[Meaning], ...], refs: list[EventRef], terms: list[str], selection: Selection, radius: int
) -> None:
    everything = list(itertools.chain(*history))
    memory = MemoryForward()
    feed(memory, everything)
    found = read_passages(memory, refs, terms, selection, radius=radius)
    expected = [
        meaning
        for meaning in sorted(everything, key=lambda meaning: meaning.event.ref)
        if near(refs, meaning.event.ref, radius) and meaning.extraction.event_class is EventClass.MEMORY
    ]
    check_columns(found, expected, everything, terms, selection)
    for place, (before, after) in enumerate(itertools.pairwise(expected)):
        one, other = before.event.ref, after.event.ref
        between = (EventRef(one.session_id, seq) for seq in range(one.seq, other.seq + 1))
        together = one.session_id == other.session_id and all(near(refs, ref, radius) for ref in between)
        assert (found.stretch[place] == found.stretch[place + 1]) == together


@settings(FEW, max_examples=25)
@given(HISTORIES, REFS, TERMS, SELECTIONS, st.data())
def test_a_base_on_disk_and_a_tail_hold_what_one_index_with_both_holds(
    history: tuple[list[Meaning], ...],
    refs: list[EventRef],
    terms: list[str],
    selection: Selection,
    data: st.DataObject,
) -> None:
    below, above = [], []
    for meanings in history:
        cut = data.draw(st.integers(0, len(meanings)))
        below += meanings[:cut]
        above += meanings[cut:]
    tail, whole = MemoryForward(), MemoryForward()
    feed(tail, above)
    feed(whole, list(itertools.chain(*history)))
    with TemporaryDirectory() as folder, contextlib.closing(SqliteForward(Path(folder) / "forward")) as base:
        feed(base, below, batch=data.draw(st.integers(1, 6)))
        layered = LayeredForward(base, tail)
        assert layered.row_count() == whole.row_count()
        asked = data.draw(st.permutations([("two", 2, 5), ("one", 1, 12), ("t-3", 3, 99), ("two", 8, 8)]))
        assert rows_in(layered, asked) == rows_in(whole, asked)
        assert endings_in(layered, *asked) == endings_in(whole, *asked)
        one, other = (read_passages(index, refs, terms, selection) for index in readers(layered, whole))
        for name in set(Passages.__slots__) - {"counter"}:
            assert np.array_equal(getattr(one, name), getattr(other, name)), name


def readers(*indexes: ForwardReader) -> tuple[ForwardReader, ...]:
    return indexes
