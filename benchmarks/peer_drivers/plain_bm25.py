"""Plain BM25 over single turns with our stems and stop words, k1 1.2 and b 0.75: what everybody can write."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.peer_drivers.driving import Turn, drive
from zaxy.projections.search.analysis import analyzer

_K1, _B = 1.2, 0.75


class PlainBm25:
    """Every turn's terms, counted."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._counts: list[Counter[str]] = []
        self._turns_with: Counter[str] = Counter()

    async def take_in(self, turns: list[Turn]) -> None:
        """Count the terms of each turn."""
        self._ids = [turn.id for turn in turns]
        self._counts = [Counter(analyzer().terms(turn.spoken)) for turn in turns]
        self._turns_with = Counter(term for counts in self._counts for term in counts)

    async def ask(self, question: str) -> list[str]:
        """Return the turns that share a term with the question."""
        terms = analyzer().query_terms(question)
        mean = sum(counts.total() for counts in self._counts) / len(self._counts)
        scores = [sum(self._score(term, counts, mean) for term in terms) for counts in self._counts]
        order = sorted(range(len(scores)), key=lambda place: -scores[place])
        return [self._ids[place] for place in order if scores[place] > 0]

    def _score(self, term: str, counts: Counter[str], mean: float) -> float:
        held, count = self._turns_with[term], counts[term]
        rarity = math.log(1 + (len(self._counts) - held + 0.5) / (held + 0.5))
        return rarity * count * (_K1 + 1) / (count + _K1 * (1 - _B + _B * counts.total() / mean))


@asynccontextmanager
async def opened(_folder: Path, _embeddings_url: str) -> AsyncIterator[PlainBm25]:
    """Give an empty one."""
    yield PlainBm25()


if __name__ == "__main__":
    drive(opened)
