"""The contract between the log's catch-up, the derived stores and recall.

A projection holds nothing that the log does not hold: `reset` and a new catch-up give the same answers. The
conformance suites in `zaxy.testing` are the contract in executable form; every back end passes the same suite.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from zaxy.ids import EventRef
from zaxy.projections.columns import Columns
from zaxy.projections.selection import Mark, Selection
from zaxy.vocabulary.model import Meaning


@dataclass(frozen=True, slots=True)
class Position:
    """How far a projection got in one session.

    Attributes:
        seq: The last event applied.
        hash: Its hash, as stored: what ties the projection to this log and no other.
        offset: Byte offset just behind its line, in the file that held it.
        first_seq: First sequence number of that file (greater than 1 after a rotation).
        inode: Inode of that file when it was read; another one means the file was replaced.
        size: Size of that file in bytes when it was read.
        modified: Its modification time then, nanoseconds; with inode and size, lets an unchanged log be passed over.
    """

    seq: int
    hash: str
    offset: int
    first_seq: int = 1
    inode: int = 0
    size: int = 0
    modified: int = 0


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a back end can do, for callers that must choose.

    Attributes:
        durable: Content survives the process.
        name: How answers and status name it.
    """

    name: str
    durable: bool


class Projection(Protocol):
    """A derived store that is fed from the log."""

    @property
    def capabilities(self) -> Capabilities:
        """What this back end can do."""
        ...

    def cursor(self) -> Mapping[str, Position]:
        """Return how far each session was applied. A session that was never applied is absent."""
        ...

    def apply(self, meanings: Sequence[Meaning], positions: Mapping[str, Position]) -> None:
        """Take in events and move the cursor, both or neither.

        Args:
            meanings: New events; each session's in order of seq, directly after its cursor.
            positions: The new cursor of each session that moved.

        Raises:
            ProjectionError: Nothing was applied.
        """
        ...

    def drop(self, sessions: Iterable[str]) -> None:
        """Remove everything that came from these sessions, and their cursors."""
        ...

    def reset(self) -> None:
        """Remove everything."""
        ...

    def close(self) -> None:
        """Release files and locks. Calling it twice is fine."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """One event that a lane found.

    Attributes:
        ref: Which event.
        score: Larger is better; comparable within one lane and one query only.
    """

    ref: EventRef
    score: float

    def place(self) -> tuple[float, int, str]:
        """Return what candidates are ordered by: the better score, then the lower seq, then the session."""
        return -self.score, self.ref.seq, self.ref.session_id


@dataclass(frozen=True, slots=True)
class TermStatistics:
    """Corpus figures that BM25 needs, so that two stores can score on one scale.

    Attributes:
        documents: How many documents the store holds.
        tokens: How many tokens they hold together.
        frequencies: For each asked term, in how many documents it stands.
    """

    documents: int
    tokens: int
    frequencies: Mapping[str, int]

    def __add__(self, other: TermStatistics) -> TermStatistics:
        terms = set(self.frequencies) | set(other.frequencies)
        total = {term: self.frequencies.get(term, 0) + other.frequencies.get(term, 0) for term in terms}
        return TermStatistics(self.documents + other.documents, self.tokens + other.tokens, total)


class SearchIndex(Projection, Protocol):
    """Finds events by their words. One document an event; the text itself is read from the log."""

    def statistics(self, terms: Iterable[str]) -> TermStatistics:
        """Return corpus figures for these analyzed terms."""
        ...

    def search(self, terms: Sequence[str], selection: Selection, limit: int) -> list[Candidate]:
        """Return the best events by BM25 (k1 = 1.2, b = 0.75), best first, ties as `Candidate.place` says.

        Args:
            terms: Analyzed terms, each once; an event with any of them is a candidate.
            selection: What may be returned; applied inside the index, before the limit.
            limit: At most so many.
        """
        ...

    def marks(self, refs: Collection[EventRef]) -> dict[EventRef, list[Mark]]:
        """Return the marks that applied events set on these, each event's in any order; those without are left out."""
        ...


Range = tuple[str, int, int]
"""Events of one session: its id, the first and the last sequence number, both inclusive."""


class ForwardReader(Protocol):
    """Tells what events hold, by their place."""

    def read(self, ranges: Sequence[Range]) -> Columns:
        """Return the memory events in these ranges, and maybe others that are stored beside them, in no set order.

        Housekeeping has no row. No event is told twice.

        Args:
            ranges: Any number of ranges that do not overlap.
        """
        ...

    def endings(self, ranges: Sequence[Range]) -> dict[EventRef, list[Mark]]:
        """Return the marks of events in these ranges, each event's in any order.

        A mark counts wherever it was recorded, and whether or not the event that it is about has a row.
        """
        ...

    def row_count(self) -> int:
        """Return how many events have a row."""
        ...


class ForwardIndex(Projection, ForwardReader, Protocol):
    """A forward index that is fed from the log. Reads see what `apply` committed."""


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity as the graph knows it: the name as it was first written."""

    key: str
    entity_type: str
    name: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One event's statement about an entity or a relation, as stored: never changed, never removed but by `drop`.

    What is current, was so at a time, or was known at a time is computed from statements by
    `zaxy.projections.graph.timeline`, so that the order in which sessions are applied does not matter.

    Attributes:
        ref: The event that says it.
        valid_from: From when on, in the world's time (microseconds).
        recorded_at: When the log learned it (microseconds).
        role: ``fact`` or ``mention``.
        status: State it says, if any.
        ended: True when it says "no longer so".
        trust: How far its source is trusted, where that decides what is so: larger is more. 0 for mentions, relations
            and entities of a type of which every statement counts.
    """

    ref: EventRef
    valid_from: int
    recorded_at: int
    role: str
    status: str
    ended: bool
    trust: int = 0


@dataclass(frozen=True, slots=True)
class Ending:
    """A mark of one event, with who set it: it stops being so at ``moment``, or that is taken back.

    Attributes:
        by: The event that says so.
        moment: From when on, in the world's time (microseconds); `VOID` for "as if never said".
        recorded_at: From when on it counts as known: see `Mark` (microseconds).
        lifted: True takes back one ending with this moment, instead of adding one.
    """

    by: EventRef
    moment: int
    recorded_at: int
    lifted: bool = False

    @property
    def mark(self) -> Mark:
        """What it says, without who says it."""
        return Mark(self.moment, self.recorded_at, self.lifted)


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation between two entities with the statements about it."""

    source: str
    relation: str
    target: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class GraphCounts:
    """Sizes, for status: entities, statements about them, relations."""

    entities: int
    statements: int
    relations: int


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
    """What recall needs of a graph: the reading half of a store, so that two layers can be read as one."""

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
        """Return what ends an event and what takes that back, ordered by (recorded_at, by)."""
        ...

    def entity_count(self) -> int:
        """Return how many entities there are; one that two layers hold may count twice. Cheap, unlike `counts`."""
        ...

    def counts(self) -> GraphCounts:
        """Return how much the graph holds."""
        ...


def ending_order(ending: Ending) -> tuple[int, EventRef, int, bool]:
    """Return what the endings of one event are ordered by."""
    return (ending.recorded_at, ending.by, ending.moment, ending.lifted)


class GraphStore(Projection, GraphReader, Protocol):
    """A bi-temporal graph of entities and relations that is fed from the log. Reads see what `apply` committed."""
