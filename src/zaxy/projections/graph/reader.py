"""The reading half of a graph, and what a store must tell beyond it so that two can be read as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from zaxy.ids import EventRef
from zaxy.projections.protocols import Ending, Entity, GraphCounts, Relation, Statement


@dataclass(frozen=True, slots=True)
class Ranked:
    """An entity with when the log last learned a statement about it (microseconds)."""

    recent: int
    entity: Entity

    @property
    def rank(self) -> tuple[int, str]:
        """Smaller is better: most recently stated first, ties by key."""
        return (-self.recent, self.entity.key)


class GraphReader(Protocol):
    """What recall needs of a graph. The methods of `GraphStore` that only read, under the same promises."""

    def find(self, token: str, limit: int) -> list[Entity]:
        """Return entities whose name or type holds this analyzed token, most recently stated first."""
        ...

    def ranked(self, token: str, limit: int) -> list[Ranked]:
        """Return what `find` does, with the moments that it is ordered by."""
        ...

    def frequency(self, token: str) -> int:
        """Return how many entities hold this token."""
        ...

    def entities(self, keys: Sequence[str]) -> list[Entity]:
        """Return the entities with these keys, in that order; unknown keys are left out."""
        ...

    def statements(self, key: str) -> list[Statement]:
        """Return every statement about an entity, ordered by (valid_from, recorded_at, ref)."""
        ...

    def relations(self, key: str) -> list[Relation]:
        """Return the relations that start or end at an entity, ordered by (source, relation, target)."""
        ...

    def stated_by(self, ref: EventRef) -> list[str]:
        """Return the keys of the entities of which an event states a fact, ordered."""
        ...

    def endings(self, ref: EventRef) -> list[Ending]:
        """Return the invalidations of an event, ordered by (recorded_at, by)."""
        ...

    def entity_count(self) -> int:
        """Return how many entities there are; one that two layers hold may count twice. Cheap, unlike `counts`."""
        ...

    def counts(self) -> GraphCounts:
        """Return how much the graph holds."""
        ...


def ending_order(ending: Ending) -> tuple[int, EventRef, int]:
    """Return what the endings of one event are ordered by."""
    return (ending.recorded_at, ending.by, ending.moment)
