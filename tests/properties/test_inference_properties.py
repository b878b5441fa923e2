"""Inferred relations know nothing but the selected events, whatever else the log holds, and in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zaxy.ids import EventRef
from zaxy.projections.search.analysis import analyzer
from zaxy.projections.search.layered import LayeredSearch
from zaxy.projections.search.memory import MemorySearch
from zaxy.projections.selection import Names, Selection
from zaxy.services.recall.inference import Inferred, related
from zaxy.testing.projections import SECOND
from zaxy.testing.search import end, say
from zaxy.vocabulary.model import Meaning

WORDS = ("Ines", "heron", "Otto", "kiln", "Tartu", "fox", "Mira", "quay")
"""No more than are looked up; each stands in four events at most, so that all of them are rare in any part of a log."""

MOMENTS = st.integers(1, 12)
PLACES = st.lists(st.integers(0, 9), min_size=0, max_size=4, unique=True)
ENDINGS = st.lists(st.tuples(st.integers(0, 9), MOMENTS, MOMENTS), max_size=3)
SELECTIONS = st.builds(
    Selection,
    sessions=st.sampled_from([None, Names.of("one", what="session"), Names.of(["two", "none"], what="session")]),
    as_of=st.none() | st.integers(0, 13).map(lambda moment: moment * SECOND),
    known_at=st.none() | st.integers(0, 13).map(lambda moment: moment * SECOND),
    now=st.just(13 * SECOND),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Meaning]:
    """Return ten events of two sessions with their words at random, and what ends some of them."""
    holding = {word: draw(PLACES) for word in WORDS}
    times = draw(st.lists(st.tuples(MOMENTS, MOMENTS), min_size=10, max_size=10))
    refs = [EventRef(("one", "two")[number % 2], number // 2 * 2 + 1) for number in range(10)]
    told = [
        say(
            ref.session_id,
            ref.seq,
            "and so " + " and ".join(word for word in WORDS if number in holding[word]),
            occurred=occurred * SECOND,
            recorded=recorded * SECOND,
        )
        for number, (ref, (occurred, recorded)) in enumerate(zip(refs, times, strict=True))
    ]
    ends = [
        end("notes", seq, (refs[number].session_id, refs[number].seq), moment=moment * SECOND, recorded=known * SECOND)
        for seq, (number, moment, known) in enumerate(draw(ENDINGS), 1)
    ]
    return told + ends


def standing(meanings: list[Meaning], selection: Selection) -> list[Meaning]:
    """Return the selected events by going through all events for each: the oracle."""
    knowledge = selection.knowledge_moment

    def stands(meaning: Meaning) -> bool:
        event = meaning.event
        return (
            bool(meaning.extraction.text)
            and (selection.sessions is None or event.session_id in selection.sessions)
            and (selection.as_of is None or event.occurred_moment <= selection.as_of)
            and event.recorded_moment <= knowledge
            and not any(
                (ending.session_id, ending.seq) == (event.session_id, event.seq)
                and ending.moment <= selection.world_moment
                and other.event.recorded_moment <= knowledge
                for other in meanings
                for ending in other.extraction.invalidations
            )
        )

    return [meaning for meaning in meanings if stands(meaning)]


def index_of(stored: list[Meaning], tail: list[Meaning]) -> LayeredSearch:
    layers = MemorySearch(), MemorySearch()
    for layer, meanings in zip(layers, (stored, tail), strict=True):
        layer.apply(meanings, {})
    return LayeredSearch(*layers)


def infer(index: LayeredSearch, first: list[Meaning], selection: Selection) -> list[Inferred]:
    return related(index, first, ["fox"], selection, analyzer(), limit=100)


@given(histories(), SELECTIONS, st.integers(0, 13))
def test_the_whole_log_asked_as_of_a_moment_answers_as_a_log_of_only_what_was_so_then(
    meanings: list[Meaning], selection: Selection, stored: int
) -> None:
    seen = standing(meanings, selection)
    first = seen[::2]
    expected = infer(index_of([], seen), first, Selection(now=13 * SECOND))
    assert infer(index_of(meanings[:stored], meanings[stored:]), first, selection) == expected
    assert infer(index_of(meanings[::-1], []), first, selection) == expected
    refs = {meaning.event.ref for meaning in seen}
    for link in expected:
        assert set(link.evidence) <= refs
        assert 0 < link.confidence < 1
        assert not link.stated
        assert "fox" not in link.terms or link.kind == "event"
