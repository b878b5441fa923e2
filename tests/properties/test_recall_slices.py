"""Slices of knowledge, and the end that marks give an event, say of every pair of moments what the marks say."""

from __future__ import annotations

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from zaxy.clock import FOREVER
from zaxy.projections.selection import Mark, Selection, Slice, ended_from, knowledge_slices
from zaxy.testing.projections import is_ended
from zaxy.vocabulary.model import VOID

MOMENTS = st.integers(-3, 6)
MARKS = st.lists(st.builds(Mark, st.just(VOID) | st.integers(-1, 3), MOMENTS, st.booleans()), max_size=9)
WORLD = (VOID, *range(-4, 8))


def sees(slices: tuple[Slice, ...], world: int, knowledge: int) -> bool:
    """What an index that filters by ranges makes of slices."""
    known = [part.ended_from for part in slices if part.known_from <= knowledge < part.known_until]
    assert len(known) <= 1
    return any(moment > world for moment in known)


@given(MOMENTS, MARKS)
def test_slices_see_an_event_exactly_where_no_known_ending_has_come(recorded: int, marks: list[Mark]) -> None:
    slices = knowledge_slices(recorded, marks)
    for world, known_at in itertools.product(WORLD, (*range(-4, 8), None)):
        knowledge = FOREVER if known_at is None else known_at
        expected = not is_ended(marks, world, known_at)
        assert sees(slices, world, knowledge) == (expected and recorded <= knowledge)
        assert Selection(as_of=world, known_at=known_at).keeps(marks) == expected
        assert Selection(now=world, known_at=known_at).keeps(marks) == expected
        assert Selection(now=world, known_at=known_at, history=True).keeps(marks)


@given(MOMENTS, MARKS, st.randoms(use_true_random=False))
def test_slices_are_few_in_order_and_without_gaps_whatever_order_the_marks_come_in(
    recorded: int, marks: list[Mark], chance: random.Random
) -> None:
    slices = knowledge_slices(recorded, marks)
    assert 1 <= len(slices) <= len(marks) + 1
    assert slices[0].known_from == recorded
    assert slices[-1].known_until == FOREVER + 1
    for before, after in itertools.pairwise(slices):
        assert before.known_until == after.known_from
        assert before.ended_from != after.ended_from
    assert all(part.known_from < part.known_until for part in slices)
    shuffled = chance.sample(marks, len(marks))
    assert knowledge_slices(recorded, shuffled) == slices
    assert [ended_from(shuffled, known) for known in range(-4, 8)] == [
        ended_from(marks, known) for known in range(-4, 8)
    ]


@given(MARKS, st.integers(-1, 3), MOMENTS, MOMENTS)
def test_an_ending_and_what_takes_it_back_leave_nothing_behind(
    marks: list[Mark], moment: int, recorded: int, later: int
) -> None:
    both = [Mark(moment, recorded), Mark(moment, later, lifted=True)]
    known = max(recorded, later)
    assert ended_from([*marks, *both], known) == ended_from(marks, known)
    assert ended_from(both[1:], known) == FOREVER
    assert ended_from([*both, Mark(moment, later)], known) == moment


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
