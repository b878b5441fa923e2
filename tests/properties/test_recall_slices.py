"""Slices of knowledge say of every pair of moments what the endings themselves say."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from zaxy.clock import FOREVER
from zaxy.projections.selection import Selection, knowledge_slices

MOMENTS = st.integers(-3, 6)
ENDINGS = st.lists(st.tuples(MOMENTS, MOMENTS), max_size=5)


@given(MOMENTS, ENDINGS)
def test_slices_see_an_event_exactly_where_no_known_ending_has_come(
    recorded: int, endings: list[tuple[int, int]]
) -> None:
    slices = knowledge_slices(recorded, endings)
    for world, known_at in itertools.product(range(-4, 8), (*range(-4, 8), None)):
        knowledge = FOREVER if known_at is None else known_at
        ended_from = min((moment for moment, learned in endings if learned <= knowledge), default=FOREVER)
        expected = recorded <= knowledge and world < ended_from
        assert Selection(as_of=world, known_at=known_at).sees(slices) == expected
        assert Selection(now=world, known_at=known_at).sees(slices) == expected


@given(MOMENTS, ENDINGS)
def test_slices_are_few_in_order_and_without_gaps_whatever_order_the_endings_come_in(
    recorded: int, endings: list[tuple[int, int]]
) -> None:
    slices = knowledge_slices(recorded, endings)
    assert 1 <= len(slices) <= len(endings) + 1
    assert slices[0].known_from == recorded
    assert slices[-1].known_until > FOREVER
    for before, after in itertools.pairwise(slices):
        assert before.known_until == after.known_from
        assert before.ended_from > after.ended_from
    assert all(part.known_from < part.known_until for part in slices)
    assert knowledge_slices(recorded, sorted(endings, reverse=True)) == slices
    assert knowledge_slices(recorded, endings * 2) == slices


@given(MOMENTS, MOMENTS, MOMENTS, st.none() | MOMENTS, st.none() | MOMENTS)
def test_every_bound_of_a_selection_is_inclusive(
    occurred: int, recorded: int, bound: int, as_of: int | None, known_at: int | None
) -> None:
    def admits(selection: Selection) -> bool:
        return selection.admits("one", "note.made", "ann", occurred, recorded, housekeeping=False)

    known = known_at is None or recorded <= known_at
    asked = as_of is None or occurred <= as_of
    assert admits(Selection(as_of=as_of, known_at=known_at)) == (known and asked)
    assert admits(Selection(as_of=as_of, known_at=known_at, occurred_from=bound)) == (
        known and asked and occurred >= bound
    )
    assert admits(Selection(as_of=as_of, known_at=known_at, occurred_to=bound)) == (
        known and asked and occurred <= bound
    )
