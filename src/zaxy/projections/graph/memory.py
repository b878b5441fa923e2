"""A graph in dictionaries: for tests, and for the events that the durable store has not reached yet."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import RLock

from zaxy.ids import EventRef
from zaxy.projections.graph.intake import (
    Analyze,
    Intake,
    Mark,
    Related,
    Told,
    check_batch,
    entity_type_of,
    read_meaning,
    thin,
    tokens_of,
)
from zaxy.projections.graph.timeline import precedence
from zaxy.projections.protocols import (
    Capabilities,
    Ending,
    Entity,
    GraphCounts,
    Position,
    Ranked,
    Relation,
    Statement,
    ending_order,
)
from zaxy.vocabulary.model import Meaning, Role

Triple = tuple[str, str, str]


def first_told(told: Iterable[Told]) -> Told:
    """Return the statement that an entity has its name from: the one the log learned first."""
    return min(told, key=lambda item: (item.statement.recorded_at, item.statement.ref))


@dataclass(slots=True)
class _Node:
    first: Told
    recent: int
    tokens: tuple[str, ...]
    told: list[Told]


class _Content:
    """Everything a `MemoryGraph` holds, so that `reset` is one assignment."""

    def __init__(self) -> None:
        self.cursor: dict[str, Position] = {}
        self.marks: dict[str, dict[str, Mark]] = defaultdict(dict)
        self.nodes: dict[str, _Node] = {}
        self.holders: dict[str, set[str]] = defaultdict(set)
        self.links: dict[Triple, list[Related]] = {}
        self.links_of: dict[str, set[Triple]] = defaultdict(set)
        self.facts: dict[EventRef, list[str]] = {}
        self.endings: dict[EventRef, list[Ending]] = {}


class MemoryGraph:
    """A `GraphStore` that lives as long as its process. Safe to use from several threads.

    Args:
        analyze: Turns names and types into the tokens that `find` looks up.
    """

    capabilities = Capabilities(name="memory", durable=False)

    def __init__(self, analyze: Analyze) -> None:
        self._analyze = analyze
        self._lock = RLock()
        self._content = _Content()

    def cursor(self) -> Mapping[str, Position]:
        """Return how far each session was applied."""
        with self._lock:
            return dict(self._content.cursor)

    def apply(self, meanings: Sequence[Meaning], positions: Mapping[str, Position]) -> None:
        """Take in events and move the cursor.

        Raises:
            ProjectionError: An event was applied before or the cursor would not cover it; nothing was applied.
        """
        with self._lock:
            check_batch(meanings, self._content.cursor, positions)
            intakes = [read_meaning(meaning) for meaning in meanings]
            for intake in intakes:
                self._take_in(thin(intake, self._content.marks[intake.ref.session_id]))
            self._content.cursor.update(positions)

    def _take_in(self, intake: Intake) -> None:
        content = self._content
        for told in intake.told:
            self._add(told)
        for link in intake.related:
            triple = (link.source, link.relation, link.target)
            content.links.setdefault(triple, []).append(link)
            content.links_of[link.source].add(triple)
            content.links_of[link.target].add(triple)
        facts = sorted(told.key for told in intake.told if told.statement.role == Role.FACT)
        if facts:
            content.facts[intake.ref] = facts
        for ref, ending in intake.ended:
            content.endings.setdefault(ref, []).append(ending)

    def _add(self, told: Told) -> None:
        node = self._content.nodes.get(told.key)
        if node is None:
            self._content.nodes[told.key] = node = _Node(told, told.statement.recorded_at, (), [told])
            self._hold(told.key, node)
            return
        node.told.append(told)
        node.recent = max(node.recent, told.statement.recorded_at)
        if first_told((node.first, told)) is told:
            node.first = told
            self._hold(told.key, node)

    def _hold(self, key: str, node: _Node | None, before: tuple[str, ...] = ()) -> None:
        """Let the entity be found by the tokens of its name, and by no others; by none when it is gone."""
        tokens = tokens_of(key, node.first.name, self._analyze) if node else ()
        before = node.tokens if node else before
        for token in set(before).difference(tokens):
            self._content.holders[token].discard(key)
        for token in set(tokens).difference(before):
            self._content.holders[token].add(key)
        if node:
            node.tokens = tokens

    def _keep(self, key: str, kept: list[Told]) -> None:
        """Leave an entity with these statements; remove it when there are none."""
        node = self._content.nodes[key]
        if not kept:
            del self._content.nodes[key]
            self._hold(key, None, node.tokens)
            return
        node.told, node.first = kept, first_told(kept)
        node.recent = max(told.statement.recorded_at for told in kept)
        self._hold(key, node)

    def drop(self, sessions: Iterable[str]) -> None:
        """Remove everything that came from these sessions, and their cursors."""
        gone = frozenset(sessions)
        with self._lock:
            content = self._content
            for session in gone:
                content.cursor.pop(session, None)
                content.marks.pop(session, None)
            for key, node in list(content.nodes.items()):
                kept = [told for told in node.told if told.statement.ref.session_id not in gone]
                if len(kept) < len(node.told):
                    self._keep(key, kept)
            for triple, links in list(content.links.items()):
                content.links[triple] = [link for link in links if link.statement.ref.session_id not in gone]
                if not content.links[triple]:
                    del content.links[triple]
                    content.links_of[triple[0]].discard(triple)
                    content.links_of[triple[2]].discard(triple)
            content.facts = {ref: keys for ref, keys in content.facts.items() if ref.session_id not in gone}
            for ref, endings in list(content.endings.items()):
                content.endings[ref] = [ending for ending in endings if ending.by.session_id not in gone]

    def reset(self) -> None:
        """Remove everything."""
        with self._lock:
            self._content = _Content()

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def find(self, token: str, limit: int) -> list[Entity]:
        """Return entities whose name or type holds this analyzed token, most recently stated first."""
        return [ranked.entity for ranked in self.ranked(token, limit)]

    def ranked(self, token: str, limit: int) -> list[Ranked]:
        """Return what `find` does, with the moments that it is ordered by."""
        with self._lock:
            nodes = self._content.nodes
            best = heapq.nsmallest(limit, ((-nodes[key].recent, key) for key in self._content.holders.get(token, ())))
            return [Ranked(-negated, self._entity(key)) for negated, key in best]

    def frequency(self, token: str) -> int:
        """Return how many entities hold this token."""
        with self._lock:
            return len(self._content.holders.get(token, ()))

    def keys(self) -> list[str]:
        """Return the key of every entity, ordered."""
        with self._lock:
            return sorted(self._content.nodes)

    def entities(self, keys: Sequence[str]) -> list[Entity]:
        """Return the entities with these keys, in that order; unknown keys are left out."""
        with self._lock:
            return [self._entity(key) for key in dict.fromkeys(keys) if key in self._content.nodes]

    def _entity(self, key: str) -> Entity:
        return Entity(key, entity_type_of(key), self._content.nodes[key].first.name)

    def told(self, key: str) -> list[Told]:
        """Return every statement about an entity with the name that it used, in the order of `statements`."""
        with self._lock:
            node = self._content.nodes.get(key)
            return sorted(node.told, key=lambda told: precedence(told.statement)) if node else []

    def statements(self, key: str) -> list[Statement]:
        """Return every statement about an entity, ordered by (valid_from, recorded_at, ref)."""
        return [told.statement for told in self.told(key)]

    def related(self, key: str) -> dict[Triple, list[Related]]:
        """Return every statement about the relations that start or end at an entity, by relation."""
        with self._lock:
            return {triple: list(self._content.links[triple]) for triple in sorted(self._content.links_of.get(key, ()))}

    def relations(self, key: str) -> list[Relation]:
        """Return the relations that start or end at an entity, ordered by (source, relation, target)."""
        return [
            Relation(*triple, tuple(sorted((link.statement for link in links), key=precedence)))
            for triple, links in self.related(key).items()
        ]

    def stated_by(self, ref: EventRef) -> list[str]:
        """Return the keys of the entities of which an event states a fact, ordered."""
        with self._lock:
            return list(self._content.facts.get(ref, ()))

    def endings(self, ref: EventRef) -> list[Ending]:
        """Return what ends an event and what takes that back, ordered by (recorded_at, by)."""
        with self._lock:
            return sorted(self._content.endings.get(ref, ()), key=ending_order)

    def entity_count(self) -> int:
        """Return how many entities there are."""
        with self._lock:
            return len(self._content.nodes)

    def counts(self) -> GraphCounts:
        """Return how much the graph holds."""
        with self._lock:
            nodes = self._content.nodes
            return GraphCounts(len(nodes), sum(len(node.told) for node in nodes.values()), len(self._content.links))
