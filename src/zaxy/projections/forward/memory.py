"""The forward index in memory: the reference back end, and what the index on disk has not reached yet."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from zaxy.ids import EventRef
from zaxy.projections.columns import Block, Columns
from zaxy.projections.forward.features import row_of
from zaxy.projections.protocols import Capabilities, Position, Range
from zaxy.projections.search.analysis import Analyzer, analyzer
from zaxy.projections.selection import Mark, marks_of
from zaxy.vocabulary.model import EventClass, Meaning


class MemoryForward:
    """A `ForwardIndex` in memory. Safe to share between threads.

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
            self._rows: dict[str, Block] = defaultdict(lambda: Block(bytearray(), bytearray()))
            self._names: list[str] = []
            self._numbers: dict[str, int] = {}
            self._endings: dict[EventRef, dict[EventRef, Mark]] = defaultdict(dict)
            self._cursor: dict[str, Position] = {}

    def close(self) -> None:
        """Nothing is held open."""

    def cursor(self) -> Mapping[str, Position]:
        with self._lock:
            return dict(self._cursor)

    def apply(self, meanings: Sequence[Meaning], positions: Mapping[str, Position]) -> None:
        with self._lock:
            for meaning in meanings:
                if meaning.extraction.event_class is not EventClass.HOUSEKEEPING:
                    self._rows[meaning.event.session_id].add(row_of(meaning, self._analyzer), self._number)
                for target, mark in marks_of(meaning):
                    self._endings[target][meaning.event.ref] = mark
            self._cursor.update(positions)

    def _number(self, name: str) -> int:
        number = self._numbers.setdefault(name, len(self._names))
        if number == len(self._names):
            self._names.append(name)
        return number

    def drop(self, sessions: Iterable[str]) -> None:
        gone = set(sessions)
        with self._lock:
            for session_id in gone:
                self._rows.pop(session_id, None)
                self._cursor.pop(session_id, None)
            for told in self._endings.values():
                for by in [by for by in told if by.session_id in gone]:
                    del told[by]

    def read(self, ranges: Sequence[Range]) -> Columns:
        with self._lock:
            held = ((name, self._rows.get(name), first, last) for name, first, last in ranges)
            parts = (
                (name, *rows.part(first, last))
                for name, rows, first, last in held
                if rows and rows.reaches(first, last)
            )
            return Columns.of(parts, self._names)

    def endings(self, ranges: Sequence[Range]) -> dict[EventRef, list[Mark]]:
        asked = defaultdict(list)
        for session_id, first, last in ranges:
            asked[session_id].append((first, last))
        with self._lock:
            return {
                target: list(told.values())
                for target, told in self._endings.items()
                if told and any(first <= target.seq <= last for first, last in asked.get(target.session_id, ()))
            }

    def row_count(self) -> int:
        with self._lock:
            return sum(map(len, self._rows.values()))
