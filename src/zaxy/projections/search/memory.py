"""The search index in memory: the reference back end, and what the index on disk has not reached yet."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from zaxy.ids import EventRef
from zaxy.projections.protocols import Candidate, Capabilities, Position, TermStatistics
from zaxy.projections.search.analysis import Analyzer, analyzer, search_text
from zaxy.projections.search.bm25 import stored_length
from zaxy.projections.search.documents import Document, Documents, Weighed
from zaxy.projections.selection import Mark, Selection, marks_of
from zaxy.vocabulary.model import EventClass, Meaning


class MemorySearch:
    """A `SearchIndex` in memory. Safe to share between threads.

    Args:
        text_analyzer: Turns text into terms.
    """

    def __init__(self, text_analyzer: Analyzer | None = None) -> None:
        self._analyzer = text_analyzer or analyzer()
        self._lock = threading.RLock()
        self.reset()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("memory", durable=False)

    def reset(self) -> None:
        with self._lock:
            self._documents = Documents()
            self._endings: dict[EventRef, dict[EventRef, Mark]] = defaultdict(dict)
            self._restored: dict[EventRef, dict[EventRef, Document]] = defaultdict(dict)
            self._cursor: dict[str, Position] = {}

    def close(self) -> None:
        """Nothing is held open."""

    def cursor(self) -> Mapping[str, Position]:
        with self._lock:
            return dict(self._cursor)

    def apply(self, meanings: Sequence[Meaning], positions: Mapping[str, Position]) -> None:
        with self._lock:
            for meaning in meanings:
                self._add(meaning)
            self._cursor.update(positions)

    def _add(self, meaning: Meaning) -> None:
        event = meaning.event
        self._documents.add(event.ref, self._document(meaning))
        for target, mark in marks_of(meaning):
            self._endings[target][event.ref] = mark
        for restored in meaning.restored:
            self._restored[restored.event.ref][event.ref] = self._document(restored)

    def _document(self, meaning: Meaning) -> Document:
        event = meaning.event
        counts = Counter(self._analyzer.terms(search_text(meaning, self._analyzer.language)))
        return Document(
            event.event_type,
            event.actor,
            event.occurred_moment,
            event.recorded_moment,
            meaning.extraction.event_class is EventClass.HOUSEKEEPING,
            counts,
            counts.total(),
            stored_length(counts.total()),
        )

    def drop(self, sessions: Iterable[str]) -> None:
        gone = set(sessions)
        with self._lock:
            self._documents = self._documents.without(gone)
            _forget(self._endings.values(), gone)
            _forget(self._restored.values(), gone)
            for session_id in gone:
                self._cursor.pop(session_id, None)

    def statistics(self, terms: Iterable[str]) -> TermStatistics:
        with self._lock:
            frequencies = {term: self._documents.frequency(term) for term in terms}
            return TermStatistics(len(self._documents), self._documents.tokens, frequencies)

    def search(self, terms: Sequence[str], selection: Selection, limit: int) -> list[Candidate]:
        return self.search_with(terms, selection, limit, self.statistics(terms))

    def search_with(
        self, terms: Sequence[str], selection: Selection, limit: int, statistics: TermStatistics
    ) -> list[Candidate]:
        """As `search`, scored with the figures of a larger corpus that these documents are part of."""
        with self._lock:
            found = self.candidates(terms, selection, statistics)
            kept = (candidate for candidate in found if selection.keeps(self._endings.get(candidate.ref, {}).values()))
            return list(islice(kept, limit))

    def candidates(self, terms: Sequence[str], selection: Selection, statistics: TermStatistics) -> Iterator[Candidate]:
        """Return all that hold any of the terms, best first, endings not applied.

        Args:
            terms: Analyzed terms.
            selection: Everything of it counts but what it says of endings.
            statistics: The figures of the corpus that these documents are part of.
        """
        with self._lock:
            return self._documents.best(Weighed(terms, statistics), selection)

    def restored(self, terms: Sequence[str], selection: Selection, statistics: TermStatistics) -> list[Candidate]:
        """Return, as `candidates`, events that are not in here, but of which an event in here takes back an ending."""
        with self._lock:
            weighed = Weighed(terms, statistics)
            return [
                Candidate(ref, score)
                for ref, told in self._restored.items()
                if ref not in self._documents
                for document in islice(told.values(), 1)
                if (score := weighed.score(document)) and document.is_admitted(ref, selection)
            ]

    def marks(self, refs: Collection[EventRef]) -> dict[EventRef, list[Mark]]:
        with self._lock:
            return {ref: list(self._endings[ref].values()) for ref in refs if self._endings.get(ref)}

    def marked(self) -> int:
        """Return of about how many events something in here says when they end, or no longer end."""
        return len(self._endings)

    def documents(self) -> int:
        """Return how many events are in here."""
        return len(self._documents)


def _forget(told: Iterable[dict[EventRef, Any]], gone: Collection[str]) -> None:
    """Take out what events of these sessions said."""
    for said in told:
        for by in [by for by in said if by.session_id in gone]:
            del said[by]
