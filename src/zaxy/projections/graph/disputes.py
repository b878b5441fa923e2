"""Who says what of one thing that has one value at a time, where sources disagree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from zaxy.eventloom.event import Event
from zaxy.eventloom.origin import Origin, SourceClass
from zaxy.ids import EventRef
from zaxy.projections.graph.timeline import EndingsOf, current, ends_at, precedence, visible
from zaxy.projections.protocols import Statement
from zaxy.projections.selection import Selection
from zaxy.vocabulary.facts import same_value, stated_value

MOST_STATEMENTS: Final = 64
"""Of more statements about one thing the latest count."""

Speaker = tuple[str, str, SourceClass | None]
"""Who says something: in which session, which actor, in what capacity."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What one source says of a thing.

    Attributes:
        statement: Its latest statement.
        event: The event that makes it, as it is meant.
        value: The value, as it was said.
        source: What kind of source stands behind it, None where the log does not say.
    """

    statement: Statement
    event: Event
    value: str
    source: SourceClass | None

    def has_source_of(self, other: Claim) -> bool:
        """Return whether both come from one actor, in the same capacity."""
        return (self.event.actor, self.source) == (other.event.actor, other.source)


def claims(
    statements: Sequence[Statement],
    endings_of: EndingsOf,
    selection: Selection,
    read: Callable[[EventRef], Event | None],
) -> tuple[Claim, tuple[Claim, ...]] | None:
    """Return the claim that holds and the latest one of each other source or session that gives another value.

    A source that took back what it said claims nothing.

    Args:
        statements: Every statement about one thing that has one value at a time.
        endings_of: Gives the endings of an event.
        selection: Sessions and moments.
        read: Gives an event as it is meant.

    Returns:
        The claims, the others latest first; None where nothing holds or nobody disagrees.
    """
    standing = _standing(statements, selection)
    holds = current(statements, endings_of, selection) if len(standing) > 1 else None
    if holds is None:
        return None
    latest: dict[Speaker, Claim | None] = {}
    chosen: Claim | None = None
    for statement in standing:
        claim = _claim(statement, read)
        if claim is None or ends_at(statement.ref, endings_of, selection.knowledge_moment) <= selection.world_moment:
            continue
        if statement.ref == holds.ref:
            chosen = claim
        latest.setdefault(_speaker(claim), None if statement.ended else claim)
    if chosen is None:
        return None
    own = _speaker(chosen)
    others = [
        claim
        for speaker, claim in latest.items()
        if claim and speaker != own and not same_value(claim.value, chosen.value)
    ]
    return (chosen, tuple(others)) if others else None


def _speaker(claim: Claim) -> Speaker:
    return claim.event.session_id, claim.event.actor, claim.source


def _standing(statements: Sequence[Statement], selection: Selection) -> list[Statement]:
    """Return what was stated by then, latest first."""
    told = [one for one in visible(statements, selection) if one.valid_from <= selection.world_moment]
    return sorted(told, key=precedence, reverse=True)[:MOST_STATEMENTS]


def _claim(statement: Statement, read: Callable[[EventRef], Event | None]) -> Claim | None:
    event = read(statement.ref)
    if event is None:
        return None
    origin = Origin.told(event.payload)
    return Claim(statement, event, stated_value(event), None if origin is None else origin.source)
