"""What is so, was so, or was known: pure functions over immutable statements.

No store marks a statement as superseded. Which one holds at a moment is computed from all of them, so the order in
which sessions are applied cannot change an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from zaxy.clock import FOREVER
from zaxy.ids import EventRef
from zaxy.projections.protocols import Ending, Statement
from zaxy.projections.selection import Selection
from zaxy.vocabulary.model import Role

EndingsOf = Callable[[EventRef], Sequence[Ending]]
"""Gives the invalidations of an event; ``GraphStore.endings`` is one. Asked only for statements that could win."""


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


def visible(statements: Iterable[Statement], selection: Selection) -> list[Statement]:
    """Return the facts that the selection's sessions had stated by its moment of knowledge, in any order.

    Mentions are left out: they are a way to reach facts and say nothing about what is so.
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
        endings_of: Where its invalidations come from.
        known_at: Invalidations that the log learned later do not count (microseconds).
    """
    return min((ending.moment for ending in endings_of(ref) if ending.recorded_at <= known_at), default=FOREVER)


def current(statements: Iterable[Statement], endings_of: EndingsOf, selection: Selection) -> Statement | None:
    """Return the statement that holds at the selection's world moment, as far as was known at its moment of knowledge.

    The latest fact by (valid_from, recorded_at, ref) decides. Where it says "no longer so", or its event was
    invalidated by then, nothing holds: an earlier statement does not come back.

    Args:
        statements: Every statement about one entity or one relation, in any order.
        endings_of: Gives the invalidations of an event.
        selection: Sessions, `as_of`, `known_at` and `now`; its other filters are about events and are not applied.
    """
    world = selection.world_moment
    latest = max(
        (statement for statement in visible(statements, selection) if statement.valid_from <= world),
        key=precedence,
        default=None,
    )
    if latest is None or latest.ended or ends_at(latest.ref, endings_of, selection.knowledge_moment) <= world:
        return None
    return latest


def history(statements: Iterable[Statement], endings_of: EndingsOf, selection: Selection) -> list[Interval]:
    """Return when which statement held, as known at the selection's moment of knowledge, in order of time.

    The intervals do not overlap, and the one that holds a moment is what `current` gives for it. `as_of` and `now`
    play no part.

    Args:
        statements: Every statement about one entity or one relation, in any order.
        endings_of: Gives the invalidations of an event.
        selection: Sessions and `known_at`.
    """
    ordered = sorted(visible(statements, selection), key=precedence)
    intervals = []
    for place, statement in enumerate(ordered):
        followed_at = ordered[place + 1].valid_from if place + 1 < len(ordered) else FOREVER
        if statement.ended or statement.valid_from >= followed_at:
            continue
        until = min(followed_at, ends_at(statement.ref, endings_of, selection.knowledge_moment))
        if statement.valid_from < until:
            intervals.append(Interval(statement.valid_from, until, statement))
    return intervals
