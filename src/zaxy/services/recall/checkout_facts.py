"""What is so now: of the things that a question names, and what is open whatever is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from zaxy.clock import FOREVER, format_time
from zaxy.eventloom.event import Event
from zaxy.projections.graph.disputes import claims
from zaxy.projections.graph.timeline import current, history
from zaxy.projections.protocols import Entity, Statement
from zaxy.services.recall.checkout_text import shortened
from zaxy.services.recall.judging import Judge
from zaxy.services.recall.lanes import current_entities
from zaxy.services.recall.provenance import is_forgotten, is_untrusted, provenance
from zaxy.services.recall.results import Fact
from zaxy.services.recall.verbatim import quote
from zaxy.vocabulary.facts import FACT
from zaxy.vocabulary.model import SINGLE_VALUED_ENTITY_TYPES

STANDING_TYPES: Final = ("policy", "preference")
WORKING_TYPES: Final = ("goal", "task", "decision", "issue", "handoff")
_CLOSED: Final = frozenset({"done", "cancelled", "resolved", "ended", "rejected"})
_A_TYPE: Final = 5
_LOOKED_AT_A_TYPE: Final = 40
_MOST_NAMED: Final = 12
_LONGEST_CONTENT: Final = 1_200


Holding = tuple[Entity, Statement, Event]
"""A thing, the statement that holds of it, and the event that says so."""


def find_facts(
    judge: Judge, terms: Sequence[str], analyze: Callable[[str], list[str]]
) -> tuple[list[Fact], list[Fact]]:
    """Return what is so of the things that a question names and by which rules, then what else is open.

    What was made from something that is no longer so, and what comes from an untrusted source, is not among it.

    Args:
        judge: What was stated, as of when.
        terms: The question's terms.
        analyze: Turns a type's name into terms.

    Returns:
        The facts and the working set; a thing is in one of them only.
    """
    named = _named(judge, terms, analyze)
    seen = {entity.key for entity, _, _ in named}
    standing = _open(judge, STANDING_TYPES, analyze, seen)
    working = _open(judge, WORKING_TYPES, analyze, seen)
    return [_fact(judge, *one) for one in (*named, *standing)], [_fact(judge, *one) for one in working]


def _named(judge: Judge, terms: Sequence[str], analyze: Callable[[str], list[str]]) -> list[Holding]:
    """Return what the question names: things with at least half as many of its terms as the best of them."""
    wanted, asked = {*STANDING_TYPES, *WORKING_TYPES, FACT}, set(terms)
    found = [
        (len(asked.intersection(analyze(f"{entity.entity_type} {entity.name}"))), entity, statement)
        for entity, statement in current_entities(judge.graph, terms, judge.selection, _MOST_NAMED)
        if entity.entity_type in wanted
    ]
    most = max((shared for shared, _, _ in found), default=0)
    holding = (_holding(judge, entity, statement) for shared, entity, statement in found if shared * 2 >= most)
    return [one for one in holding if one is not None]


def _open(
    judge: Judge, entity_types: Sequence[str], analyze: Callable[[str], list[str]], seen: set[str]
) -> list[Holding]:
    """Return what is not closed of these types, of each type what was stated last."""
    graph, selection = judge.graph, judge.selection
    found: list[Holding] = []
    for entity_type in entity_types:
        most = len(found) + _A_TYPE
        for entity in graph.find(analyze(entity_type)[0], _LOOKED_AT_A_TYPE):
            if len(found) == most:
                break
            if entity.entity_type == entity_type and entity.key not in seen:
                statement = current(graph.statements(entity.key), graph.endings, selection)
                if statement is not None and statement.status not in _CLOSED:
                    holding = _holding(judge, entity, statement)
                    found += [] if holding is None else [holding]
    return found


def _holding(judge: Judge, entity: Entity, statement: Statement) -> Holding | None:
    """Return a statement with its event, or None when the log does not hold that or it does not count as a fact."""
    event = judge.event(statement.ref)
    if event is None or is_untrusted(event) or is_forgotten(event) or judge.stale_because(event) is not None:
        return None
    return entity, statement, event


def _fact(judge: Judge, entity: Entity, statement: Statement, event: Event) -> Fact:
    graph, selection = judge.graph, judge.selection
    statements = graph.statements(entity.key)
    spans = history(statements, graph.endings, selection)
    until = next((span.valid_to for span in spans if span.statement.ref == statement.ref), FOREVER)
    return Fact(
        entity_type=entity.entity_type,
        name=entity.name,
        status=statement.status,
        valid_from=format_time(statement.valid_from),
        valid_to=None if until == FOREVER else format_time(until),
        content=_whole_or_shortened(quote(event)),
        citation=event.citation,
        metadata={**provenance(event), **_disputed(judge, entity, statements)},
    )


def _disputed(judge: Judge, entity: Entity, statements: Sequence[Statement]) -> dict[str, Any]:
    """Return who of another name or capacity says something else of a thing that has one value at a time."""
    if entity.entity_type not in SINGLE_VALUED_ENTITY_TYPES:
        return {}
    told = claims(statements, judge.graph.endings, judge.selection, judge.event)
    others = [] if told is None else [claim for claim in told[1] if not claim.has_source_of(told[0])]
    return {"disputed_by": [claim.event.citation for claim in others]} if others else {}


def _whole_or_shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_CONTENT else shortened(text, _LONGEST_CONTENT)
