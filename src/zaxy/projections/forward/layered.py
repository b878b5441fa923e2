"""The forward index on disk and the not yet indexed tail in memory, read as one."""

from __future__ import annotations

from collections.abc import Sequence

from zaxy.ids import EventRef
from zaxy.projections.columns import Columns
from zaxy.projections.protocols import ForwardReader, Range
from zaxy.projections.selection import Mark


class LayeredForward:
    """Reads a durable index and a tail as one. A mark in either layer counts for events of both.

    Args:
        base: The durable index.
        tail: The events that it has not taken in.
    """

    def __init__(self, base: ForwardReader, tail: ForwardReader) -> None:
        self._base = base
        self._tail = tail

    def read(self, ranges: Sequence[Range]) -> Columns:
        """Return the rows of both."""
        return self._base.read(ranges).joined(self._tail.read(ranges))

    def endings(self, ranges: Sequence[Range]) -> dict[EventRef, list[Mark]]:
        """Return the marks that either layer knows of events in these ranges."""
        found = self._base.endings(ranges)
        for target, told in self._tail.endings(ranges).items():
            found.setdefault(target, []).extend(told)
        return found

    def row_count(self) -> int:
        """Return how many events both hold."""
        return self._base.row_count() + self._tail.row_count()
