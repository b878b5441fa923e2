"""What holds when: the rules by example, then against an oracle that tries every moment."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from zaxy.clock import FOREVER
from zaxy.ids import EventRef
from zaxy.projections.graph.timeline import Interval, current, history
from zaxy.projections.protocols import Ending, Statement
from zaxy.projections.selection import Names, Selection
from zaxy.testing.projections import is_ended
from zaxy.vocabulary.model import VOID

Endings = dict[EventRef, list[Ending]]


def said(seq: int, valid: int, recorded: int | None = None, *, ended: bool = False, session: str = "a") -> Statement:
    return Statement(EventRef(session, seq), valid, valid if recorded is None else recorded, "fact", "", ended)


def no_endings(ref: EventRef) -> list[Ending]:
    return []


def test_the_latest_statement_in_the_world_wins_even_when_it_was_recorded_first() -> None:
    late, early = said(1, valid=20, recorded=30), said(2, valid=10, recorded=40)
    assert current([late, early], no_endings, Selection(now=50)) == late
    assert current([late, early], no_endings, Selection(now=15)) == early
    assert current([late, early], no_endings, Selection(now=50, as_of=9)) is None


def test_of_two_statements_for_one_moment_the_one_recorded_later_wins() -> None:
    first, second = said(1, valid=10, recorded=11), said(2, valid=10, recorded=12)
    assert current([second, first], no_endings, Selection(now=50)) == second
    assert current([second, first], no_endings, Selection(now=50, known_at=11)) == first


def test_a_statement_that_something_is_no_longer_so_leaves_nothing() -> None:
    statements = [said(1, valid=10), said(2, valid=20, ended=True)]
    assert current(statements, no_endings, Selection(now=19)) == statements[0]
    assert current(statements, no_endings, Selection(now=20)) is None


def test_an_invalidation_takes_effect_at_its_moment_and_not_before_it_is_known() -> None:
    statement = said(1, valid=10)
    endings = {statement.ref: [Ending(EventRef("b", 1), moment=30, recorded_at=20)]}
    assert current([statement], endings.__getitem__, Selection(now=29)) == statement
    assert current([statement], endings.__getitem__, Selection(now=30)) is None
    assert current([statement], endings.__getitem__, Selection(now=30, known_at=19)) == statement


def test_a_statement_dated_in_the_future_is_not_current_yet() -> None:
    assert current([said(1, valid=10)], no_endings, Selection(now=9)) is None


def test_only_selected_sessions_speak_and_mentions_never_do() -> None:
    ours, theirs = said(1, valid=10), said(1, valid=20, session="b")
    mention = Statement(EventRef("a", 2), 30, 30, "mention", "", ended=False)
    selection = Selection(sessions=Names.of("a"), now=50)
    assert current([ours, theirs, mention], no_endings, selection) == ours
    assert current([mention], no_endings, selection) is None


def test_history_shows_what_followed_what_and_where_nothing_held() -> None:
    first, second, gone, again = said(1, 10), said(2, 20), said(3, 30, ended=True), said(4, 50)
    endings = {again.ref: [Ending(EventRef("b", 1), moment=70, recorded_at=60)]}
    intervals = history([again, gone, second, first], lambda ref: endings.get(ref, []), Selection())
    assert intervals == [Interval(10, 20, first), Interval(20, 30, second), Interval(50, 70, again)]
    known = history([again, gone, second, first], lambda ref: endings.get(ref, []), Selection(known_at=55))
    assert known[-1] == Interval(50, FOREVER, again)


def test_what_counts_as_never_said_lets_an_earlier_statement_hold_again_and_what_has_ended_does_not() -> None:
    first, second = said(1, valid=10), said(2, valid=20)
    void = {second.ref: [Ending(EventRef("b", 1), moment=VOID, recorded_at=30)]}
    ended = {second.ref: [Ending(EventRef("b", 1), moment=40, recorded_at=30)]}
    both = [first, second]
    for endings, after in ((void, first), (ended, None)):
        endings[first.ref] = []
        assert current(both, endings.__getitem__, Selection(now=50, known_at=29)) == second
        assert current(both, endings.__getitem__, Selection(now=50)) == after
    assert current([second], void.__getitem__, Selection(now=50)) is None
    assert history(both, void.__getitem__, Selection()) == [Interval(10, FOREVER, first)]


def test_the_word_of_the_most_trusted_source_holds_and_when_it_is_retired_nothing_does() -> None:
    trusted, later = replace(said(1, valid=10), trust=4), replace(said(2, valid=20), trust=3)
    newest = replace(said(3, valid=30), trust=4)
    assert current([trusted, later], no_endings, Selection(now=50)) == trusted
    assert current([trusted, later, newest], no_endings, Selection(now=50)) == newest
    assert current([trusted, later, newest], no_endings, Selection(now=25)) == trusted
    endings = {trusted.ref: [Ending(EventRef("b", 1), moment=40, recorded_at=40)]}
    assert current([trusted, later], lambda ref: endings.get(ref, []), Selection(now=50)) is None
    assert history([later, trusted, newest], no_endings, Selection()) == [
        Interval(10, 30, trusted),
        Interval(30, FOREVER, newest),
    ]


def test_only_what_could_win_is_asked_for_its_endings() -> None:
    asked: list[EventRef] = []

    def endings_of(ref: EventRef) -> list[Ending]:
        asked.append(ref)
        return []

    assert current([said(seq, valid=seq) for seq in range(1, 100)], endings_of, Selection(now=50)) == said(50, valid=50)
    assert asked == [EventRef("a", 50)]


MOMENTS = st.integers(0, 6)
REFS = st.builds(EventRef, st.sampled_from("ab"), st.integers(1, 4))
STATEMENTS = st.lists(
    st.builds(
        Statement,
        REFS,
        MOMENTS,
        MOMENTS,
        st.sampled_from(["fact", "fact", "mention"]),
        st.just(""),
        st.booleans(),
        st.sampled_from([0, 0, 3, 4]),
    ),
    max_size=8,
    unique_by=lambda statement: statement.ref,
)
ENDINGS = st.dictionaries(
    REFS,
    st.lists(
        st.builds(Ending, REFS, st.sampled_from([VOID, VOID, 2, 3]) | MOMENTS, MOMENTS, st.booleans()), max_size=4
    ),
    max_size=6,
)
SELECTIONS = st.builds(
    Selection,
    sessions=st.none() | st.just(Names(frozenset("a"))),
    as_of=st.none() | MOMENTS,
    known_at=st.none() | MOMENTS,
    now=MOMENTS,
)


def oracle(statements: list[Statement], endings: Endings, selection: Selection) -> Statement | None:
    """Replay, one microsecond of the world after the other, what was known and does not count as never said."""
    world = selection.now if selection.as_of is None else selection.as_of
    known = FOREVER if selection.known_at is None else selection.known_at
    holds: Statement | None = None
    for moment in range(world + 1):
        for statement in sorted(statements, key=lambda one: (one.recorded_at, one.ref)):
            selected = selection.sessions is None or statement.ref.session_id in selection.sessions
            if (
                statement.role == "fact"
                and selected
                and statement.recorded_at <= known
                and statement.valid_from == moment
                and not is_ended([one.mark for one in endings.get(statement.ref, [])], VOID, selection.known_at)
                and (holds is None or statement.trust >= holds.trust)
            ):
                holds = statement
    if holds is None or holds.ended:
        return None
    return None if is_ended([one.mark for one in endings.get(holds.ref, [])], world, selection.known_at) else holds


@given(STATEMENTS, ENDINGS, SELECTIONS, st.randoms(use_true_random=False))
def test_current_is_what_replaying_the_world_gives_in_any_order(
    statements: list[Statement], endings: Endings, selection: Selection, chance: random.Random
) -> None:
    expected = oracle(statements, endings, selection)
    chance.shuffle(statements)
    assert current(statements, lambda ref: endings.get(ref, []), selection) == expected


@given(STATEMENTS, ENDINGS, SELECTIONS, st.randoms(use_true_random=False))
def test_history_holds_at_each_moment_what_is_current_then(
    statements: list[Statement], endings: Endings, selection: Selection, chance: random.Random
) -> None:
    intervals = history(statements, lambda ref: endings.get(ref, []), selection)
    chance.shuffle(statements)
    assert history(statements, lambda ref: endings.get(ref, []), selection) == intervals
    for moment in range(8):
        then = Selection(sessions=selection.sessions, as_of=moment, known_at=selection.known_at)
        held = [part.statement for part in intervals if part.valid_from <= moment < part.valid_to]
        assert held == [one for one in [oracle(statements, endings, then)] if one is not None]
