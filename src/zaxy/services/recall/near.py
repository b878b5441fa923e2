"""The vector lane over the stored vectors."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache
from typing import TYPE_CHECKING

from zaxy.projections.protocols import Candidate
from zaxy.projections.selection import Names

if TYPE_CHECKING:
    from zaxy.projections.forward.passages import Passages
    from zaxy.projections.vectors.filling import VectorFiller
    from zaxy.projections.vectors.store import Admits
    from zaxy.services.recall.ranking.views import Array

_REMEMBERED_QUESTIONS = 256


class StoredVectors:
    """Finds what lies near a question. Safe to share between threads.

    Args:
        opened: Returns the stored vectors and their model; None when there is no model.
        reason: Why there is none, empty when there is one.
        within: The only sessions whose events are found and counted; None means all.
    """

    def __init__(
        self, opened: Callable[[], VectorFiller | None], reason: str, *, within: Collection[str] | None = None
    ) -> None:
        self._opened = opened
        self._within = within
        self.reason = reason
        self.embed_query = lru_cache(_REMEMBERED_QUESTIONS)(self._embed_query)

    def _filler(self) -> VectorFiller:
        filler = self._opened()
        assert filler is not None, self.reason
        return filler

    def _embed_query(self, text: str) -> Array:
        return self._filler().embedder.embed_query(text)

    def count(self) -> int:
        """Return how many events have a vector; of some sessions, at most how many."""
        store = self._filler().store
        if self._within is None:
            return store.count()
        return sum(position.seq for name, position in store.cursor().items() if name in self._within)

    def search(
        self, query: Array, sessions: Names | None, limit: int, admits: Admits, *, at_least: float
    ) -> list[Candidate]:
        """Return the nearest events that may be in an answer, best first, with their cosine."""
        if sessions is None and self._within is not None:
            sessions = Names(frozenset(self._within))
        return self._filler().store.search(query, sessions, limit, admits, at_least=at_least)

    def cosines(self, query: Array, passages: Passages) -> Array:
        """Return each row's cosine with the question, NaN where it has no vector."""
        return self._filler().store.cosines(query, passages.sessions, passages.session, passages.seq)
