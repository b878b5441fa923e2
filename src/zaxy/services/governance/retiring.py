"""What must not come back when a statement is forgotten: the one that it had replaced."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from zaxy.ids import EventRef
from zaxy.projections.graph.timeline import current
from zaxy.projections.protocols import Ending, GraphReader, Statement
from zaxy.projections.selection import Names, Selection
from zaxy.vocabulary.model import VOID, Role


def retired_by(
    graph: GraphReader, refs: Sequence[EventRef], erased: Collection[EventRef]
) -> tuple[tuple[EventRef, ...], int | None]:
    """Return the events whose statements would hold again without these, and from when on they are not to.

    Judged at the moment when each statement began to hold: so an old value comes back neither now nor for a question
    about the past. It is judged with all sessions together, and within the statement's own session.

    Args:
        graph: What is so.
        refs: The events of one memory.
        erased: All events that go.

    Returns:
        The events, ordered, and the earliest of those moments (microseconds); None where there are none.
    """
    found: set[EventRef] = set()
    moments: list[int] = []
    for ref in refs:
        for key in graph.stated_by(ref):
            statements = graph.statements(key)
            for mine in [one for one in statements if one.ref == ref and one.role == Role.FACT]:
                for sessions in (None, Names(frozenset({ref.session_id}))):
                    moment = mine.valid_from
                    before = _replaced(graph, mine, statements, erased, Selection(sessions=sessions, as_of=moment))
                    if before is not None:
                        found.add(before)
                        moments.append(moment)
    return tuple(sorted(found)), min(moments, default=None)


def _replaced(
    graph: GraphReader, mine: Statement, statements: Sequence[Statement], erased: Collection[EventRef], at: Selection
) -> EventRef | None:
    """Return the event whose statement one of these replaced, or None where it replaced none."""

    def endings_of(ref: EventRef) -> list[Ending]:
        told = graph.endings(ref)
        return [ending for ending in told if ending.moment == VOID] if ref in erased else told

    # what says "no longer so", or was ended later, had replaced the one before all the same
    deciding = current([replace(one, ended=False) if one.ref in erased else one for one in statements], endings_of, at)
    if deciding is None or deciding.ref != mine.ref:
        return None
    left = current([one for one in statements if one.ref not in erased], graph.endings, at)
    return None if left is None else left.ref
