"""The forward index on disk and the not yet indexed tail in memory, read as one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from zaxy.ids import EventRef
from zaxy.projections.protocols import ForwardReader, ForwardRow, Range


class LayeredForward:
    """Reads a durable index and a tail as one. An ending in either layer ends events of both.

    Args:
        base: The durable index.
        tail: The events that it has not taken in.
    """

    def __init__(self, base: ForwardReader, tail: ForwardReader) -> None:
        self._base = base
        self._tail = tail

    def rows(self, ranges: Sequence[Range]) -> list[ForwardRow]:
        """Return the rows of both, ordered as the ranges are, then by seq."""
        newer = {row.session_id for row in self._tail.rows(ranges)}
        found: list[ForwardRow] = []
        for reaches_tail, run in groupby(ranges, key=lambda asked: asked[0] in newer):
            if not reaches_tail:
                found += self._base.rows(list(run))
                continue
            for asked in run:  # what the tail holds of a session follows what the base holds of it
                found += self._base.rows([asked]) + self._tail.rows([asked])
        return found

    def endings(self, ranges: Sequence[Range]) -> dict[EventRef, list[tuple[int, int]]]:
        """Return the endings that either layer knows of events in these ranges."""
        found = self._base.endings(ranges)
        for target, told in self._tail.endings(ranges).items():
            found.setdefault(target, []).extend(told)
        return found

    def row_count(self) -> int:
        """Return how many events both hold."""
        return self._base.row_count() + self._tail.row_count()
