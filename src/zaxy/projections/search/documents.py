"""The documents of a search index in memory as columns, so that a question scores all of them at once.

Needs numpy, which is imported when the first question is asked: a command that only writes never loads it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zaxy.ids import EventRef
from zaxy.projections.protocols import Candidate, TermStatistics
from zaxy.projections.search.bm25 import K1, B, inverse_document_frequency, term_score
from zaxy.projections.selection import Names, Selection

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Document:
    """One event's searchable side.

    Attributes:
        event_type: Such as ``transcript.turn``.
        actor: The event's actor.
        occurred_at: When it happened in the world (microseconds).
        recorded_at: When the log learned it (microseconds).
        housekeeping: Whether it is the memory's own bookkeeping.
        counts: How often each term stands in it.
        length: How many terms it has.
        stored_length: The length as an index on disk remembers it.
    """

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


class Weighed:
    """The terms of a question with what each tells in a corpus.

    Args:
        terms: Analyzed terms.
        statistics: The figures of the corpus.
    """

    def __init__(self, terms: Iterable[str], statistics: TermStatistics) -> None:
        self.mean = statistics.tokens / statistics.documents if statistics.documents else 0.0
        self.weights = {
            term: inverse_document_frequency(statistics.documents, statistics.frequencies.get(term, 0))
            for term in terms
        }

    def score(self, document: Document) -> float:
        """Return how well a document answers."""
        held = ((weight, document.counts[term]) for term, weight in self.weights.items() if term in document.counts)
        return sum(weight * term_score(count, document.stored_length, self.mean) for weight, count in held)


class _Column:
    """A column of names: each entry is a name's number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.entries = array("i")

    def add(self, name: str) -> None:
        self.entries.append(self.numbers.setdefault(name, len(self.numbers)))

    def among(self, wanted: Names, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return which of these rows hold a name that is wanted."""
        import numpy as np

        chosen = np.array([name in wanted for name in self.numbers], np.bool_)
        among: npt.NDArray[np.bool_] = chosen[np.frombuffer(self.entries, np.intc)[rows]]
        return among

    def ranks(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return of each of these rows the place that its name has in their order."""
        import numpy as np

        ranks = np.empty(len(self.numbers), np.int64)
        ranks[[self.numbers[name] for name in sorted(self.numbers)]] = np.arange(len(ranks))
        return ranks[np.frombuffer(self.entries, np.intc)[rows]]


class Documents:
    """Documents with what stands in them. They are added behind each other; its owner serializes the calls."""

    def __init__(self) -> None:
        self.tokens = 0
        """How many terms all of them have."""
        self._held: dict[EventRef, Document] = {}
        self._refs: list[EventRef] = []
        self._sessions, self._types, self._actors = _Column(), _Column(), _Column()
        self._seqs, self._occurred, self._recorded = array("q"), array("q"), array("q")
        self._lengths, self._housekeeping = array("d"), array("b")
        self._postings: dict[str, tuple[array[int], array[float]]] = {}

    def __len__(self) -> int:
        """How many documents."""
        return len(self._refs)

    def __contains__(self, ref: EventRef) -> bool:
        return ref in self._held

    def add(self, ref: EventRef, document: Document) -> None:
        """Add the document of an event that has none yet."""
        number = len(self._refs)
        self._held[ref] = document
        self._refs.append(ref)
        self.tokens += document.length
        for column, name in (
            (self._sessions, ref.session_id),
            (self._types, document.event_type),
            (self._actors, document.actor),
        ):
            column.add(name)
        self._seqs.append(ref.seq)
        self._occurred.append(document.occurred_at)
        self._recorded.append(document.recorded_at)
        self._lengths.append(document.stored_length)
        self._housekeeping.append(document.housekeeping)
        for term, count in document.counts.items():
            numbers, counts = self._postings.setdefault(term, (array("q"), array("d")))
            numbers.append(number)
            counts.append(count)

    def without(self, sessions: set[str]) -> Documents:
        """Return the documents that are of no such session; nothing of the others is left in them."""
        kept = Documents()
        for ref, document in self._held.items():
            if ref.session_id not in sessions:
                kept.add(ref, document)
        return kept

    def frequency(self, term: str) -> int:
        """Return in how many documents a term stands."""
        return len(self._postings[term][0]) if term in self._postings else 0

    def best(self, weighed: Weighed, selection: Selection) -> Iterator[Candidate]:
        """Return all that hold any of the terms and are admitted, best first, endings not applied."""
        import numpy as np

        scores = self._scores(weighed)
        rows = np.flatnonzero(scores)
        rows = rows[self._admitted(rows, selection)]
        order = np.lexsort((self._sessions.ranks(rows), np.frombuffer(self._seqs, np.int64)[rows], -scores[rows]))
        best, refs = rows[order], self._refs
        told = zip(best.tolist(), scores[best].tolist(), strict=True)
        return (Candidate(refs[row], score) for row, score in told)

    def _scores(self, weighed: Weighed) -> npt.NDArray[np.float64]:
        """Return the score of each document: sums in the order of the terms, as `Weighed.score` makes them."""
        import numpy as np

        scores = np.zeros(len(self._refs))
        lengths = np.frombuffer(self._lengths)
        for term, weight in weighed.weights.items():
            if term in self._postings:
                numbers, counts = self._postings[term]
                rows, count = np.frombuffer(numbers, np.int64), np.frombuffer(counts)
                norm = K1 * (1.0 - B + B * lengths[rows] / weighed.mean) if weighed.mean else K1
                scores[rows] += weight * (count * (K1 + 1.0) / (count + norm))
        return scores

    def _admitted(self, rows: npt.NDArray[np.int64], selection: Selection) -> npt.NDArray[np.bool_]:
        """Return what `Selection.admits` says of these rows."""
        import numpy as np

        occurred, recorded = (np.frombuffer(column, np.int64)[rows] for column in (self._occurred, self._recorded))
        admitted: npt.NDArray[np.bool_] = (occurred <= selection.latest_world) & (
            recorded <= selection.knowledge_moment
        )
        if not selection.housekeeping:
            admitted &= np.frombuffer(self._housekeeping, np.int8)[rows] == 0
        if selection.occurred_from is not None:
            admitted &= occurred >= selection.occurred_from
        for column, wanted in (
            (self._sessions, selection.sessions),
            (self._types, selection.event_types),
            (self._actors, selection.actors),
        ):
            if wanted is not None:
                admitted &= column.among(wanted, rows)
        return admitted
