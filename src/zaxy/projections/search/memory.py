"""The search index in memory: the reference back end, and what the index on disk has not reached yet."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from zaxy.ids import EventRef
from zaxy.projections.protocols import Candidate, Capabilities, Position, TermStatistics
from zaxy.projections.search.analysis import Analyzer, analyzer, search_text
from zaxy.projections.search.bm25 import inverse_document_frequency, stored_length, term_score
from zaxy.projections.selection import Selection, Slice, knowledge_slices
from zaxy.vocabulary.model import EventClass, Meaning


@dataclass(frozen=True, slots=True)
class _Document:
    """One event's searchable side."""

    event_type: str
    actor: str
    occurred_at: int
    recorded_at: int
    housekeeping: bool
    counts: Mapping[str, int]
    length: int
    stored_length: int


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
            self._documents: dict[EventRef, _Document] = {}
            self._postings: dict[str, dict[EventRef, int]] = defaultdict(dict)
            self._endings: dict[EventRef, dict[EventRef, tuple[int, int]]] = defaultdict(dict)
            self._cursor: dict[str, Position] = {}
            self._tokens = 0

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
        event, extraction = meaning.event, meaning.extraction
        counts = Counter(self._analyzer.terms(search_text(meaning, self._analyzer.language)))
        recorded = event.recorded_moment
        document = _Document(
            event.event_type,
            event.actor,
            event.occurred_moment,
            recorded,
            extraction.event_class is EventClass.HOUSEKEEPING,
            counts,
            counts.total(),
            stored_length(counts.total()),
        )
        self._documents[event.ref] = document
        self._tokens += document.length
        for term, count in counts.items():
            self._postings[term][event.ref] = count
        for ending in extraction.invalidations:
            self._endings[EventRef(ending.session_id, ending.seq)][event.ref] = (ending.moment, recorded)

    def drop(self, sessions: Iterable[str]) -> None:
        gone = set(sessions)
        with self._lock:
            for ref in [ref for ref in self._documents if ref.session_id in gone]:
                document = self._documents.pop(ref)
                self._tokens -= document.length
                for term in document.counts:
                    del self._postings[term][ref]
            for endings in self._endings.values():
                for by in [by for by in endings if by.session_id in gone]:
                    del endings[by]
            for session_id in gone:
                self._cursor.pop(session_id, None)

    def statistics(self, terms: Iterable[str]) -> TermStatistics:
        with self._lock:
            frequencies = {term: len(self._postings.get(term, ())) for term in terms}
            return TermStatistics(len(self._documents), self._tokens, frequencies)

    def search(self, terms: Sequence[str], selection: Selection, limit: int) -> list[Candidate]:
        return self.search_with(terms, selection, limit, self.statistics(terms))

    def search_with(
        self, terms: Sequence[str], selection: Selection, limit: int, statistics: TermStatistics
    ) -> list[Candidate]:
        """As `search`, scored with the figures of a larger corpus that these documents are part of."""
        mean = statistics.tokens / statistics.documents if statistics.documents else 0.0
        with self._lock:
            scores: dict[EventRef, float] = defaultdict(float)
            for term in dict.fromkeys(terms):
                weight = inverse_document_frequency(statistics.documents, statistics.frequencies.get(term, 0))
                for ref, count in self._postings.get(term, {}).items():
                    scores[ref] += weight * term_score(count, self._documents[ref].stored_length, mean)
            found = [Candidate(ref, score) for ref, score in scores.items() if self._admits(ref, selection)]
        found.sort(key=Candidate.place)
        return found[:limit]

    def _admits(self, ref: EventRef, selection: Selection) -> bool:
        document = self._documents[ref]
        return selection.admits(
            ref.session_id,
            document.event_type,
            document.actor,
            document.occurred_at,
            document.recorded_at,
            housekeeping=document.housekeeping,
        ) and selection.sees(self._slices(ref, document))

    def _slices(self, ref: EventRef, document: _Document) -> tuple[Slice, ...]:
        return knowledge_slices(document.recorded_at, self._endings.get(ref, {}).values())

    def endings(self) -> dict[EventRef, list[tuple[int, int]]]:
        """Return, for each event that an event in here ends, the ``(moment, recorded_at)`` of its endings."""
        with self._lock:
            return {target: list(by.values()) for target, by in self._endings.items() if by}

    def documents(self) -> int:
        """Return how many events are in here."""
        return len(self._documents)
