"""The search index in memory: the reference back end, and what the index on disk has not reached yet."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from zaxy.ids import EventRef
from zaxy.projections.protocols import Candidate, Capabilities, Position, TermStatistics
from zaxy.projections.search.analysis import Analyzer, analyzer, search_text
from zaxy.projections.search.bm25 import inverse_document_frequency, stored_length, term_score
from zaxy.projections.selection import Mark, Selection, marks_of
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

    def is_admitted(self, ref: EventRef, selection: Selection) -> bool:
        """Return what the selection says of the event, endings left aside."""
        return selection.admits(
            ref.session_id,
            self.event_type,
            self.actor,
            self.occurred_at,
            self.recorded_at,
            housekeeping=self.housekeeping,
        )


class _Weighed:
    """The terms of a question with what each tells in a corpus."""

    def __init__(self, terms: Sequence[str], statistics: TermStatistics) -> None:
        self.mean = statistics.tokens / statistics.documents if statistics.documents else 0.0
        self.weights = {
            term: inverse_document_frequency(statistics.documents, statistics.frequencies.get(term, 0))
            for term in terms
        }

    def score(self, document: _Document) -> float:
        """Return how well a document answers."""
        held = ((weight, document.counts[term]) for term, weight in self.weights.items() if term in document.counts)
        return sum(weight * term_score(count, document.stored_length, self.mean) for weight, count in held)


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
            self._endings: dict[EventRef, dict[EventRef, Mark]] = defaultdict(dict)
            self._restored: dict[EventRef, dict[EventRef, _Document]] = defaultdict(dict)
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
        event = meaning.event
        self._documents[event.ref] = document = self._document(meaning)
        self._tokens += document.length
        for term, count in document.counts.items():
            self._postings[term][event.ref] = count
        for target, mark in marks_of(meaning):
            self._endings[target][event.ref] = mark
        for restored in meaning.restored:
            self._restored[restored.event.ref][event.ref] = self._document(restored)

    def _document(self, meaning: Meaning) -> _Document:
        event = meaning.event
        counts = Counter(self._analyzer.terms(search_text(meaning, self._analyzer.language)))
        return _Document(
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
            for ref in [ref for ref in self._documents if ref.session_id in gone]:
                document = self._documents.pop(ref)
                self._tokens -= document.length
                for term in document.counts:
                    del self._postings[term][ref]
            _forget(self._endings.values(), gone)
            _forget(self._restored.values(), gone)
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
        with self._lock:
            found = self.candidates(terms, selection, statistics)
            kept = [candidate for candidate in found if selection.keeps(self._endings.get(candidate.ref, {}).values())]
        return kept[:limit]

    def candidates(self, terms: Sequence[str], selection: Selection, statistics: TermStatistics) -> list[Candidate]:
        """Return all that hold any of the terms, best first, endings not applied.

        Args:
            terms: Analyzed terms.
            selection: Everything of it counts but what it says of endings.
            statistics: The figures of the corpus that these documents are part of.
        """
        with self._lock:
            weighed = _Weighed(terms, statistics)
            scores: dict[EventRef, float] = defaultdict(float)
            for term, weight in weighed.weights.items():
                for ref, count in self._postings.get(term, {}).items():
                    scores[ref] += weight * term_score(count, self._documents[ref].stored_length, weighed.mean)
            found = [
                Candidate(ref, score)
                for ref, score in scores.items()
                if self._documents[ref].is_admitted(ref, selection)
            ]
        found.sort(key=Candidate.place)
        return found

    def restored(self, terms: Sequence[str], selection: Selection, statistics: TermStatistics) -> list[Candidate]:
        """Return, as `candidates`, events that are not in here, but of which an event in here takes back an ending."""
        with self._lock:
            weighed = _Weighed(terms, statistics)
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
