"""The index on disk and the not yet indexed tail in memory, read as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from zaxy.projections.protocols import Candidate, SearchIndex, TermStatistics
from zaxy.projections.search.memory import MemorySearch
from zaxy.projections.selection import Selection


class CountedIndex(SearchIndex, Protocol):
    """A search index that tells how many events it holds."""

    def documents(self) -> int:
        """Return how many events are indexed."""
        ...


class LayeredSearch:
    """Searches a durable index and a tail in memory. The tail is scored with the figures of both.

    The durable index scores with its own: a tail is short, so that the two scales differ by little.

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
        found = self._tail.search_with(terms, selection, limit, figures)
        if self._base is not None:
            endings = self._tail.endings()
            below = self._base.search(terms, selection, limit + len(endings))
            found += [candidate for candidate in below if not _ended(endings.get(candidate.ref), selection)]
        found.sort(key=Candidate.place)
        return found[:limit]

    def documents(self) -> int:
        """Return how many events both hold."""
        return self._tail.documents() + (0 if self._base is None else self._base.documents())


def _ended(endings: Sequence[tuple[int, int]] | None, selection: Selection) -> bool:
    """Whether an event on disk was ended by one in the tail, at the moments that the selection asks for."""
    return any(
        moment <= selection.world_moment and recorded <= selection.knowledge_moment
        for moment, recorded in endings or ()
    )
