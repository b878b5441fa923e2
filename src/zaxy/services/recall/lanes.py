"""The ways of finding candidates. Each lane gives scores between 0 and 1 for events; the ranking puts them in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, Protocol

from zaxy.ids import EventRef
from zaxy.projections.graph.timeline import current
from zaxy.projections.protocols import Candidate, Entity, GraphReader, Statement, TermStatistics
from zaxy.projections.search.bm25 import inverse_document_frequency
from zaxy.projections.selection import Selection
from zaxy.services.recall.inference import FEWEST_HOLDERS, MOST_HOLDERS, Clue, distinct
from zaxy.services.recall.question import Question
from zaxy.vocabulary.model import INTERNAL_ENTITY_TYPES

_ENTITIES_A_TERM: Final = 50
_ENTITIES: Final = 20
_HOP_ENTITIES: Final = 3
_HOP_RELATIONS: Final = 8
_HOP_SHARE: Final = 0.5
_FOLLOWED: Final = 8


class Searchable(Protocol):
    """The part of a search index that the lexical lane uses."""

    def search(self, terms: Sequence[str], selection: Selection, limit: int) -> list[Candidate]: ...

    def statistics(self, terms: Sequence[str]) -> TermStatistics: ...


def lexical_lane(index: Searchable, question: Question, limit: int) -> dict[EventRef, float]:
    """Return events that share words with the question: BM25, divided by the best one's."""
    found = index.search(question.terms, question.selection, limit)
    best = max((candidate.score for candidate in found), default=0.0)
    return {candidate.ref: candidate.score / best for candidate in found} if best > 0 else {}


def followed(index: Searchable, clues: Sequence[Clue], question: Question) -> tuple[Clue, ...]:
    """Return the rare names among these clues that the question lacks, at most eight.

    A question that needs several events rarely names what ties them: the first ones found do.

    Args:
        index: Tells how often their terms stand anywhere.
        clues: The names in the first events, the best event's first.
        question: What is asked; a name that shares a term with it is no news.
    """
    asked = set(question.terms)
    new = [clue for clue in distinct([clues]) if asked.isdisjoint(clue.terms)]
    often = index.statistics(list(dict.fromkeys(term for clue in new for term in clue.terms))).frequencies
    rare = [clue for clue in new if all(FEWEST_HOLDERS <= often.get(term, 0) <= MOST_HOLDERS for term in clue.terms)]
    return tuple(rare[:_FOLLOWED])


def graph_lane(graph: GraphReader, question: Question) -> dict[EventRef, float]:
    """Return the events that state what is so about the things the question names, and about their neighbours.

    An entity's score is the idf-weighted share of the question's terms that stand in its name or type; a neighbour
    gets half of it.
    """
    named = _named_entities(graph, question.terms)
    scores: dict[EventRef, float] = defaultdict(float)
    for rank, (key, score) in enumerate(named):
        statement = current(graph.statements(key), graph.endings, question.selection)
        _keep(scores, statement, score)
        if rank < _HOP_ENTITIES:
            for neighbour in _neighbours(graph, key, question.selection):
                _keep(
                    scores, current(graph.statements(neighbour), graph.endings, question.selection), score * _HOP_SHARE
                )
    return dict(scores)


def _keep(scores: dict[EventRef, float], statement: Statement | None, score: float) -> None:
    if statement is not None:
        scores[statement.ref] = max(scores[statement.ref], score)


def _named_entities(graph: GraphReader, terms: Sequence[str]) -> list[tuple[str, float]]:
    total = graph.entity_count()
    weights = {term: inverse_document_frequency(total, graph.frequency(term)) for term in terms}
    whole = sum(weights.values())
    scores: dict[str, float] = defaultdict(float)
    for term, weight in weights.items():
        for entity in graph.find(term, _ENTITIES_A_TERM):
            if entity.entity_type not in INTERNAL_ENTITY_TYPES:
                scores[entity.key] += weight / whole
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:_ENTITIES]


def _neighbours(graph: GraphReader, key: str, selection: Selection) -> list[str]:
    hops = (
        relation.target if relation.source == key else relation.source
        for relation in graph.relations(key)[:_HOP_RELATIONS]
        if current(relation.statements, graph.endings, selection) is not None
    )
    return [hop for hop in hops if hop.partition(":")[0] not in INTERNAL_ENTITY_TYPES]


def current_entities(
    graph: GraphReader, terms: Sequence[str], selection: Selection, limit: int
) -> list[tuple[Entity, Statement]]:
    """Return entities that these terms name and that are so at the selection's moment, with the statement that says so.

    Args:
        graph: Where to look.
        terms: Analyzed terms.
        selection: Sessions and moments.
        limit: At most so many.
    """
    found: list[tuple[Entity, Statement]] = []
    for key, _ in _named_entities(graph, terms):
        statement = current(graph.statements(key), graph.endings, selection)
        if statement is not None:
            found += [(entity, statement) for entity in graph.entities([key])]
        if len(found) >= limit:
            break
    return found
