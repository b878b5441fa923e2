"""What is so now: of the things that a question names, and what is open whatever is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from zaxy.clock import FOREVER, format_time
from zaxy.eventloom.event import Event
from zaxy.ids import EventRef
from zaxy.projections.graph.timeline import current, history
from zaxy.projections.protocols import Entity, GraphReader, Statement
from zaxy.projections.selection import Selection
from zaxy.services.recall.checkout_text import shortened
from zaxy.services.recall.lanes import current_entities
from zaxy.services.recall.results import Fact
from zaxy.services.recall.verbatim import quote

STANDING_TYPES: Final = ("policy", "preference")
WORKING_TYPES: Final = ("goal", "task", "decision", "issue", "handoff")
_CLOSED: Final = frozenset({"done", "cancelled", "resolved", "ended", "rejected"})
_A_TYPE: Final = 5
_LOOKED_AT_A_TYPE: Final = 40
_MOST_NAMED: Final = 12
_LONGEST_CONTENT: Final = 1_200


@dataclass(frozen=True, slots=True)
class Stated:
    """An entity with the statement that holds, and until when it does (microseconds)."""

    entity: Entity
    statement: Statement
    until: int


def find_facts(
    graph: GraphReader, terms: Sequence[str], analyze: Callable[[str], list[str]], selection: Selection
) -> tuple[list[Stated], list[Stated]]:
    """Return what is so of the things that a question names and by which rules, then what else is open.

    Args:
        graph: What was stated.
        terms: The question's terms.
        analyze: Turns a type's name into terms.
        selection: Sessions and moments.

    Returns:
        The facts and the working set; a thing is in one of them only.
    """
    named = _named(graph, terms, analyze, selection)
    seen = {entity.key for entity, _ in named}
    standing = _open(graph, STANDING_TYPES, analyze, selection, seen)
    working = _open(graph, WORKING_TYPES, analyze, selection, seen)
    facts = [_stated(graph, entity, statement, selection) for entity, statement in (*named, *standing)]
    return facts, [_stated(graph, entity, statement, selection) for entity, statement in working]


def _named(
    graph: GraphReader, terms: Sequence[str], analyze: Callable[[str], list[str]], selection: Selection
) -> list[tuple[Entity, Statement]]:
    """Return what the question names: things with at least half as many of its terms as the best of them."""
    wanted, asked = {*STANDING_TYPES, *WORKING_TYPES}, set(terms)
    found = [
        (len(asked.intersection(analyze(f"{entity.entity_type} {entity.name}"))), entity, statement)
        for entity, statement in current_entities(graph, terms, selection, _MOST_NAMED)
        if entity.entity_type in wanted
    ]
    most = max((shared for shared, _, _ in found), default=0)
    return [(entity, statement) for shared, entity, statement in found if shared * 2 >= most]


def _open(
    graph: GraphReader,
    entity_types: Sequence[str],
    analyze: Callable[[str], list[str]],
    selection: Selection,
    seen: set[str],
) -> list[tuple[Entity, Statement]]:
    """Return what is not closed of these types, of each type what was stated last."""
    found: list[tuple[Entity, Statement]] = []
    for entity_type in entity_types:
        most = len(found) + _A_TYPE
        for entity in graph.find(analyze(entity_type)[0], _LOOKED_AT_A_TYPE):
            if len(found) == most:
                break
            if entity.entity_type == entity_type and entity.key not in seen:
                statement = current(graph.statements(entity.key), graph.endings, selection)
                if statement is not None and statement.status not in _CLOSED:
                    found.append((entity, statement))
    return found


def _stated(graph: GraphReader, entity: Entity, statement: Statement, selection: Selection) -> Stated:
    spans = history(graph.statements(entity.key), graph.endings, selection)
    until = next((span.valid_to for span in spans if span.statement.ref == statement.ref), FOREVER)
    return Stated(entity, statement, until)


def as_fact(stated: Stated, read: Callable[[EventRef], Event | None]) -> Fact | None:
    """Return a statement as a fact with its source, or None when the log does not hold the source.

    Args:
        stated: What is so.
        read: Reads an event of the log and checks it.
    """
    event = read(stated.statement.ref)
    if event is None:
        return None
    return Fact(
        entity_type=stated.entity.entity_type,
        name=stated.entity.name,
        status=stated.statement.status,
        valid_from=format_time(stated.statement.valid_from),
        valid_to=None if stated.until == FOREVER else format_time(stated.until),
        content=_whole_or_shortened(quote(event)),
        citation=event.citation,
    )


def _whole_or_shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_CONTENT else shortened(text, _LONGEST_CONTENT)
