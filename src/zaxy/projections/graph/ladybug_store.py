"""The graph in one LadybugDB file: durable, one writer, any number of readers in any process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar, cast

from zaxy.ids import EventRef
from zaxy.projections.graph import ladybug_reading as read
from zaxy.projections.graph.intake import Analyze, check_batch, read_meaning
from zaxy.projections.graph.ladybug_handle import Handle
from zaxy.projections.graph.ladybug_writing import Writer
from zaxy.projections.protocols import Capabilities, Ending, Entity, GraphCounts, Position, Ranked, Relation, Statement
from zaxy.vocabulary.model import Meaning

DEFAULT_BUFFER_POOL_BYTES: Final = 64 * 1024 * 1024

BULK_EVENTS: Final = 100
"""A batch of so many events is taken for part of a backlog."""

_MOST_KNOWN_ANSWERS: Final = 20_000
_FEW_ENDINGS: Final = 500
"""So many are read at once, in the time of some twenty single questions; of more, those that are asked for."""


AnswerT = TypeVar("AnswerT")


class LadybugGraph:
    """A `GraphStore` in a file. Safe to use from several threads; not after a fork.

    A read-only graph sees what was committed when it was opened or last refreshed, or a later state: when the
    writer rewrites the file, it moves on by itself, because the old state can no longer be read.

    Args:
        path: The database file, such as ``embedded.kuzu``; a writer makes it and its folder when missing.
        analyze: Turns names and types into the tokens that `find` looks up. The same one for every use of a file.
        read_only: Whether only to read.
        buffer_pool_size: Most memory for pages, in bytes.
        about: What `analyze` is, such as its language; a file made with another one does not fit.

    Raises:
        ProjectionError: Another writer has the file, it is another program's, damaged, or missing for a reader.
    """

    capabilities = Capabilities(name="embedded", durable=True)

    def __init__(
        self,
        path: Path,
        *,
        analyze: Analyze,
        read_only: bool = False,
        buffer_pool_size: int = DEFAULT_BUFFER_POOL_BYTES,
        about: str = "",
    ) -> None:
        self._handle = Handle(path, read_only=read_only, buffer_pool_size=buffer_pool_size, about=about)
        self._run = self._handle.run
        self._writer = Writer(self._run, analyze)
        self._known: dict[tuple[str, object], object] = {}
        self._known_state = self._told_state = self._handle.state
        self._many_endings = False

    @property
    def path(self) -> Path:
        """The database file, links resolved."""
        return self._handle.path

    def refresh(self) -> bool:
        """Let a read-only graph see what was committed since it was opened.

        Returns:
            Whether anything was.

        Raises:
            ProjectionError: The file is gone or cannot be opened any more; the next call tries again.
        """
        if not self._handle.refresh() and not self._handle.read_only:
            return False
        moved, self._told_state = self._handle.state != self._told_state, self._handle.state
        return moved

    def cursor(self) -> Mapping[str, Position]:
        """Return how far each session was applied."""
        with self._handle.reading():
            return read.read_cursor(self._run)

    def apply(self, meanings: Sequence[Meaning], positions: Mapping[str, Position]) -> None:
        """Take in events and move the cursor in one transaction. On return both survive the end of the process.

        Raises:
            ProjectionError: Nothing was applied.
        """
        intakes = [read_meaning(meaning) for meaning in meanings]
        with self._handle.writing(bulk=len(meanings) >= BULK_EVENTS):
            cursor = self._writer.cursor_of({*positions, *(intake.ref.session_id for intake in intakes)})
            check_batch(meanings, cursor, positions)
            self._writer.take_in(intakes, cursor, positions)

    def drop(self, sessions: Iterable[str]) -> None:
        """Remove everything that came from these sessions, and their cursors.

        The bytes may stay in the file until it is replaced by `reset`. Of two sessions of equal size, one of
        10,000 goals could be dropped with the default buffer pool, of 25,000 not; with 256 MB one of 50,000 could. When
        there are more, `reset` and apply the others again.

        Raises:
            ProjectionError: Nothing was removed.
        """
        sessions = frozenset(sessions)
        if sessions.issuperset(self.cursor()):
            self._handle.replace()
            return
        with self._handle.writing(bulk=True):
            self._writer.drop(sessions)
        self._handle.checkpoint()

    def reset(self) -> None:
        """Remove everything: the file and its log are deleted and a new one is made.

        Raises:
            ProjectionError: The file could not be replaced.
        """
        self._handle.replace()

    def close(self) -> None:
        """Release the file and its lock. Calling it twice is fine."""
        self._handle.close()

    def _once(self, what: str, about: object, ask: Callable[[], AnswerT]) -> AnswerT:
        """Return an answer of the state that is read now; each question is put to the database once a state."""
        if (what, about) in self._known and self._known_state == self._handle.state and self._handle.is_current():
            return cast("AnswerT", self._known[what, about])
        with self._handle.reading():
            if self._known_state != self._handle.state or len(self._known) >= _MOST_KNOWN_ANSWERS:
                self._known_state = self._handle.state
                self._known = {}
            answer = ask()
            if self._handle.read_only:  # a writer's state changes inside a transaction, before it is counted
                self._known[what, about] = answer
            return answer

    def find(self, token: str, limit: int) -> list[Entity]:
        """Return entities whose name or type holds this analyzed token, most recently stated first."""
        return [ranked.entity for ranked in self.ranked(token, limit)]

    def ranked(self, token: str, limit: int) -> list[Ranked]:
        """Return what `find` does, with the moments that it is ordered by."""
        return list(self._once("ranked", (token, limit), lambda: read.read_ranked(self._run, token, limit)))

    def frequency(self, token: str) -> int:
        """Return how many entities hold this token."""
        return self._once("frequency", token, lambda: read.read_frequency(self._run, token))

    def entities(self, keys: Sequence[str]) -> list[Entity]:
        """Return the entities with these keys, in that order; unknown keys are left out."""
        return list(self._once("entities", tuple(keys), lambda: read.read_entities(self._run, keys)))

    def statements(self, key: str) -> list[Statement]:
        """Return every statement about an entity, ordered by (valid_from, recorded_at, ref)."""
        return list(self._once("statements", key, lambda: read.read_statements(self._run, key)))

    def relations(self, key: str) -> list[Relation]:
        """Return the relations that start or end at an entity, ordered by (source, relation, target)."""
        return list(self._once("relations", key, lambda: read.read_relations(self._run, key)))

    def stated_by(self, ref: EventRef) -> list[str]:
        """Return the keys of the entities of which an event states a fact, ordered."""
        return list(self._once("stated_by", ref, lambda: read.read_stated_by(self._run, ref)))

    def endings(self, ref: EventRef) -> list[Ending]:
        """Return what ends an event and what takes that back, ordered by (recorded_at, by)."""
        if not self._many_endings:
            every = self._once("endings", None, lambda: read.read_few_endings(self._run, _FEW_ENDINGS))
            if every is not None:
                return list(every.get(read.event_key(ref), ()))
            self._many_endings = True  # they hardly ever grow fewer, and single questions are always right
        return list(self._once("endings", ref, lambda: read.read_endings(self._run, ref)))

    def entity_count(self) -> int:
        """Return how many entities there are."""
        return self._once("entity_count", None, lambda: read.read_entity_count(self._run))

    def counts(self) -> GraphCounts:
        """Return how much the graph holds."""
        return self._once("counts", None, lambda: read.read_counts(self._run))
