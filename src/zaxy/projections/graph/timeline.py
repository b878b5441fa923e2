"""What is so, was so, or was known: pure functions over immutable statements.

No store marks a statement as superseded. Which one holds at a moment is computed from all of them, so the order in
which sessions are applied cannot change an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from zaxy.clock import FOREVER
from zaxy.ids import EventRef
from zaxy.projections.protocols import Ending, Statement
from zaxy.projections.selection import Selection, ended_from
from zaxy.vocabulary.model import VOID, Role

EndingsOf = Callable[[EventRef], Sequence[Ending]]
"""Gives the endings of an event; ``GraphReader.endings`` is one. `current` asks only about what could win."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A span of the world's time in which one statement held.

    Attributes:
        valid_from: First moment (microseconds).
        valid_to: First moment after it, `FOREVER` while nothing is known to end it.
        statement: What held.
    """

    valid_from: int
    valid_to: int
    statement: Statement


def precedence(statement: Statement) -> tuple[int, int, EventRef]:
    """Return what statements about one thing are ordered by: the greatest one is the latest word."""
    return (statement.valid_from, statement.recorded_at, statement.ref)


def rank(statement: Statement) -> tuple[int, int, int, EventRef]:
    """Return what decides which statement holds: the most trusted source's latest word.

    Trust is 0 unless the entity is of a type of which one statement at a time is so (see `Statement.trust`).
    """
    return (statement.trust, *precedence(statement))


def visible(statements: Iterable[Statement], selection: Selection) -> list[Statement]:
    """Return the facts that the selection's sessions had stated by its moment of knowledge, in any order.

    Mentions are left out: they are a way to reach facts and say nothing about what is so. Endings play no part here:
    what had ended, or counts as never said, is there too.
    """
    knowledge, sessions = selection.knowledge_moment, selection.sessions
    return [
        statement
        for statement in statements
        if statement.role == Role.FACT
        and statement.recorded_at <= knowledge
        and (sessions is None or statement.ref.session_id in sessions)
    ]


def ends_at(ref: EventRef, endings_of: EndingsOf, known_at: int) -> int:
    """Return the world's moment from which on an event no longer counts, `FOREVER` when it still does.

    Args:
        ref: The event.
        endings_of: Where its endings come from.
        known_at: Endings that the log learned later do not count (microseconds).
    """
    return ended_from((ending.mark for ending in endings_of(ref)), known_at)


def _best_first(statements: list[Statement]) -> Iterator[Statement]:
    """Yield by rank; nearly always only the first is asked for, so that no more is done for it."""
    if statements:
        yield max(statements, key=rank)
        yield from sorted(statements, key=rank, reverse=True)[1:]


def current(statements: Iterable[Statement], endings_of: EndingsOf, selection: Selection) -> Statement | None:
    """Return the statement that holds at the selection's world moment, as far as was known at its moment of knowledge.

    Of the facts that do not count as never said, the greatest by (trust, valid_from, recorded_at, ref) decides. Where
    it says "no longer so", or had ended by then, nothing holds: an earlier statement does not come back.

    Args:
        statements: Every statement about one entity or one relation, in any order.
        endings_of: Gives the endings of an event.
        selection: Sessions, `as_of`, `known_at` and `now`; its other filters are about events and are not applied.
    """
    world, known_at = selection.world_moment, selection.knowledge_moment
    for statement in _best_first([one for one in visible(statements, selection) if one.valid_from <= world]):
        until = ends_at(statement.ref, endings_of, known_at)
        if until > VOID:
            return None if statement.ended or until <= world else statement
    return None


def history(statements: Iterable[Statement], endings_of: EndingsOf, selection: Selection) -> list[Interval]:
    """Return when which statement held, as known at the selection's moment of knowledge, in order of time.

    The intervals do not overlap, and the one that holds a moment is what `current` gives for it. `as_of` and `now`
    play no part.

    Args:
        statements: Every statement about one entity or one relation, in any order.
        endings_of: Gives the endings of an event.
        selection: Sessions and `known_at`.
    """
    decisive: list[tuple[Statement, int]] = []
    for statement in sorted(visible(statements, selection), key=precedence):
        if decisive and statement.trust < decisive[-1][0].trust:
            continue  # what a more trusted source said before still counts
        until = ends_at(statement.ref, endings_of, selection.knowledge_moment)
        if until > VOID:
            decisive.append((statement, until))
    intervals = []
    followers = (*(statement.valid_from for statement, _ in decisive[1:]), FOREVER)
    for (statement, ended), followed_at in zip(decisive, followers, strict=False):
        until = min(followed_at, ended)
        if not statement.ended and statement.valid_from < until:
            intervals.append(Interval(statement.valid_from, until, statement))
    return intervals
