"""The index on disk and the not yet indexed tail in memory, read as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, Protocol

from zaxy.ids import EventRef
from zaxy.projections.protocols import Candidate, SearchIndex, TermStatistics
from zaxy.projections.search.memory import MemorySearch
from zaxy.projections.selection import Mark, Selection

_LOOKED_UP_AT_ONCE: Final = 200
_MORE_AT_FIRST: Final = 16
_GROWTH: Final = 4


class CountedIndex(SearchIndex, Protocol):
    """A search index that tells how many events it holds."""

    def documents(self) -> int:
        """Return how many events are indexed."""
        ...


class LayeredSearch:
    """Searches a durable index and a tail in memory. The tail is scored with the figures of both.

    Which events are found is what one index with both would say: the marks of either layer count for events of both.
    The durable index scores with its own figures: a tail is short, so that the two scales differ by little.

    Args:
        base: The durable index, or None when there is none yet.
        tail: The events that it has not taken in.
    """

    def __init__(self, base: CountedIndex | None, tail: MemorySearch) -> None:
        self._base = base
        self._tail = tail

    def statistics(self, terms: Sequence[str]) -> TermStatistics:
        """Return the corpus figures of both."""
        figures = self._tail.statistics(terms)
        return figures if self._base is None else self._base.statistics(terms) + figures

    def search(self, terms: Sequence[str], selection: Selection, limit: int) -> list[Candidate]:
        """Return the best events of both, best first."""
        figures = self.statistics(terms)
        if self._base is None:
            return self._tail.search_with(terms, selection, limit, figures)
        above = self._still_so(self._base, self._tail.candidates(terms, selection, figures), selection)
        found = list(islice(above, limit))
        found += self._below(self._base, terms, selection, limit)
        found += self._given_back(self._base, terms, selection, figures)
        found.sort(key=Candidate.place)
        return found[:limit]

    def _still_so(
        self, base: CountedIndex, candidates: Iterable[Candidate], selection: Selection
    ) -> Iterator[Candidate]:
        """Yield the candidates that had not ended, by what both layers say."""
        left = iter(candidates)
        while part := list(islice(left, _LOOKED_UP_AT_ONCE)):
            yield from _kept(part, self._marks(base, [candidate.ref for candidate in part]), selection)

    def _marks(self, base: CountedIndex, refs: Sequence[EventRef]) -> dict[EventRef, list[Mark]]:
        found = base.marks(refs)
        for ref, marks in self._tail.marks(refs).items():
            found.setdefault(ref, []).extend(marks)
        return found

    def _below(self, base: CountedIndex, terms: Sequence[str], selection: Selection, limit: int) -> list[Candidate]:
        """Return the base's best that the tail does not end; as much more is looked for as the tail takes away."""
        wanted = limit + min(self._tail.marked(), _MORE_AT_FIRST)
        while True:
            found = base.search(terms, selection, wanted)
            touched = {}
            if self._tail.marked():
                touched = self._marks(base, list(self._tail.marks([candidate.ref for candidate in found])))
            kept = _kept(found, touched, selection)
            if len(kept) >= limit or len(found) < wanted:
                return kept[:limit]
            wanted *= _GROWTH

    def _given_back(
        self, base: CountedIndex, terms: Sequence[str], selection: Selection, figures: TermStatistics
    ) -> list[Candidate]:
        """Return what the base has for ended, where the tail takes that back."""
        restored = self._tail.restored(terms, selection, figures)
        if selection.history or not restored:
            return []
        cursor, ended = base.cursor(), base.marks([candidate.ref for candidate in restored])
        hidden = [
            candidate
            for candidate in restored
            if candidate.ref.session_id in cursor
            and candidate.ref.seq <= cursor[candidate.ref.session_id].seq
            and not selection.keeps(ended.get(candidate.ref, ()))
        ]
        return list(self._still_so(base, hidden, selection))

    def documents(self) -> int:
        """Return how many events both hold."""
        return self._tail.documents() + (0 if self._base is None else self._base.documents())


def _kept(
    candidates: list[Candidate], marks: Mapping[EventRef, Sequence[Mark]], selection: Selection
) -> list[Candidate]:
    """Return the candidates that these marks leave; nearly always nothing is marked."""
    if not marks and selection.keeps(()):
        return candidates
    return [candidate for candidate in candidates if selection.keeps(marks.get(candidate.ref, ()))]
