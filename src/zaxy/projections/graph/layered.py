"""Two graphs read as one: a durable store, and the events that it has not reached yet."""

from __future__ import annotations

from collections.abc import Sequence

from zaxy.ids import EventRef
from zaxy.projections.graph.intake import Mark, Related, Told, is_repeat
from zaxy.projections.graph.memory import MemoryGraph, Triple, first_told
from zaxy.projections.graph.timeline import precedence
from zaxy.projections.protocols import (
    Ending,
    Entity,
    GraphCounts,
    GraphReader,
    Ranked,
    Relation,
    Statement,
    ending_order,
)
from zaxy.vocabulary.model import Role


class LayeredGraph:
    """Reads a base and a tail as the one graph that a store with all their events would be.

    One difference remains: an entity that both know under different spellings is found by the tokens of either.

    Args:
        base: The durable store.
        tail: The events behind the base's cursor, of each session in order. Small: some reads go through all of it.
    """

    def __init__(self, base: GraphReader, tail: MemoryGraph) -> None:
        self._base = base
        self._tail = tail

    def find(self, token: str, limit: int) -> list[Entity]:
        """Return entities whose name or type holds this analyzed token, most recently stated first."""
        return [ranked.entity for ranked in self.ranked(token, limit)]

    def ranked(self, token: str, limit: int) -> list[Ranked]:
        """Return what `find` does, with the moments that it is ordered by."""
        recent = {ranked.entity.key: ranked.recent for ranked in self._base.ranked(token, limit)}
        for candidate in self._tail.ranked(token, self._tail.frequency(token)):
            if len(recent) >= limit and sorted(recent.values())[-limit:][:1] > [candidate.recent]:
                break  # the rest of the tail is older than everything that will be returned
            key = candidate.entity.key
            recent[key] = max(statement.recorded_at for statement in self.statements(key))
        best = sorted(recent, key=lambda key: (-recent[key], key))[: max(limit, 0)]
        return [Ranked(recent[entity.key], entity) for entity in self.entities(best)]

    def frequency(self, token: str) -> int:
        """Return how many entities hold this token."""
        in_tail = [ranked.entity.key for ranked in self._tail.ranked(token, self._tail.frequency(token))]
        return self._base.frequency(token) + len(in_tail) - len(self._base.entities(in_tail))

    def entities(self, keys: Sequence[str]) -> list[Entity]:
        """Return the entities with these keys, in that order; unknown keys are left out."""
        found = {entity.key: entity for entity in self._base.entities(keys)}
        for entity in self._tail.entities(keys):
            known = found.get(entity.key)
            if known is None or self._named_by_tail(entity.key):
                found[entity.key] = self._renamed(entity)
        return [found[key] for key in dict.fromkeys(keys) if key in found]

    def _renamed(self, entity: Entity) -> Entity:
        return Entity(entity.key, entity.entity_type, first_told(self._new(entity.key)).name)

    def _named_by_tail(self, key: str) -> bool:
        new = self._new(key)
        if not new:
            return False
        first = first_told(new).statement
        return all((first.recorded_at, first.ref) < (old.recorded_at, old.ref) for old in self._base.statements(key))

    def _new(self, key: str) -> list[Told]:
        """What the tail says of an entity that the base does not.

        A mention is a repeat when the base has one of the same session. A base that moves on while it is read may
        hold some of the tail's events already.
        """
        told = self._tail.told(key)
        if not told:
            return []
        known = set(self._base.statements(key))
        mentioned = {statement.ref.session_id for statement in known if statement.role == Role.MENTION}
        return [
            item
            for item in told
            if item.statement not in known
            and (item.statement.role == Role.FACT or item.statement.ref.session_id not in mentioned)
        ]

    def statements(self, key: str) -> list[Statement]:
        """Return every statement about an entity, ordered by (valid_from, recorded_at, ref)."""
        merged = [*self._base.statements(key), *(told.statement for told in self._new(key))]
        return sorted(merged, key=precedence)

    def relations(self, key: str) -> list[Relation]:
        """Return the relations that start or end at an entity, ordered by (source, relation, target)."""
        found = {(link.source, link.relation, link.target): list(link.statements) for link in self._base.relations(key)}
        for triple, links in self._tail.related(key).items():
            known = found.setdefault(triple, [])
            known += self._new_statements(triple, tuple(known), links)
        return [Relation(*triple, tuple(sorted(found[triple], key=precedence))) for triple in sorted(found)]

    def _new_statements(self, triple: Triple, known: Sequence[Statement], links: Sequence[Related]) -> list[Statement]:
        """Return the tail's statements about a relation that are no repeats of the base's.

        What the tail left out as a repeat of its own statements is a repeat here too, so thinning once more gives
        what thinning everything would have.
        """
        last: dict[str, int] = {}
        marks: dict[str, Mark] = {}
        for statement in sorted(known, key=lambda statement: statement.ref):
            session = statement.ref.session_id
            last[session] = statement.ref.seq
            if session in marks or self._only_mentions(statement.ref, triple):
                marks[session] = Mark(statement.ended, statement.valid_from)
        new = []
        for link in sorted(links, key=lambda link: link.statement.ref):
            statement, session = link.statement, link.statement.ref.session_id
            if statement.ref.seq <= last.get(session, 0):  # a base that moved on while it is read holds it
                continue
            if link.repeatable and is_repeat(statement, marks.get(session)):
                continue
            if link.repeatable or session in marks:
                marks[session] = Mark(statement.ended, statement.valid_from)
            new.append(statement)
        return new

    def _only_mentions(self, ref: EventRef, triple: Triple) -> bool:
        return not {triple[0], triple[2]}.intersection(self._base.stated_by(ref))

    def stated_by(self, ref: EventRef) -> list[str]:
        """Return the keys of the entities of which an event states a fact, ordered."""
        return sorted({*self._base.stated_by(ref), *self._tail.stated_by(ref)})

    def endings(self, ref: EventRef) -> list[Ending]:
        """Return what ends an event and what takes that back, ordered by (recorded_at, by)."""
        return sorted({*self._base.endings(ref), *self._tail.endings(ref)}, key=ending_order)

    def entity_count(self) -> int:
        """Return how many entities there are; one that both layers hold counts twice."""
        return self._base.entity_count() + self._tail.entity_count()

    def counts(self) -> GraphCounts:
        """Return how much the graph holds."""
        base, keys = self._base.counts(), self._tail.keys()
        triples = {triple for key in keys for triple in self._tail.related(key)}
        known = {
            (link.source, link.relation, link.target)
            for key in {source for source, _, _ in triples}
            for link in self._base.relations(key)
        }
        return GraphCounts(
            base.entities + len(keys) - len(self._base.entities(keys)),
            base.statements + sum(len(self._new(key)) for key in keys),
            base.relations + len(triples - known),
        )
