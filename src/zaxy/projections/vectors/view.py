"""The vectors as they were committed at one moment, mapped into memory. Never changes once made."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from zaxy.errors import ProjectionError
from zaxy.ids import EventRef
from zaxy.projections.protocols import Candidate
from zaxy.projections.selection import Names
from zaxy.projections.vectors.map import Head
from zaxy.projections.vectors.scoring import (
    Codes,
    Floats,
    Rows,
    code_words,
    codes_of,
    dots,
    exact_rows,
    nearest_codes,
    quantized,
)

ROWS_NAME: Final = "rows.i8"
CODES_NAME: Final = "codes.b1"
ENTRIES_NAME: Final = "entries.bin"
ENTRY: Final = np.dtype([("key", "<i8"), ("scale", "<f4")])
"""Session number and seq in one number, 0 for a row that was erased; one through the length of the row."""

SEQ_BITS: Final = 40
_BLOCK_ROWS: Final = 65_536
LARGEST_SEQ: Final = (1 << SEQ_BITS) - 1
_MOST_MASKS: Final = 16
_FEW_SESSIONS: Final = 64


def mapped(path: Path, dtype: Any, count: int, width: int) -> npt.NDArray[Any]:
    """Return the first rows of a file, mapped.

    Raises:
        ProjectionError: The file does not hold so many.
    """
    length = count * width * np.dtype(dtype).itemsize
    if not length:
        return np.zeros((count, width), dtype)
    try:
        with path.open("rb") as stream:
            held = mmap.mmap(stream.fileno(), length, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise ProjectionError(f"{path} does not hold {count:,} vectors: {error}") from error
    return np.frombuffer(held, dtype).reshape(count, width)


@dataclass(frozen=True)
class View:
    """What one commit holds.

    Attributes:
        folder: Where the files are.
        head: What the commit says.
        names: Names of sessions by number.
        keys: Session number and seq of each row, 0 for a row that was erased.
        scales: One through the length of each row.
        blocks: The codes of the first rows in whole blocks, as far as an earlier view had computed them.
    """

    folder: Path
    head: Head
    names: Mapping[int, str] = field(default_factory=dict)
    keys: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    scales: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    blocks: tuple[Codes, ...] = ()
    masks: dict[Names | None, npt.NDArray[np.bool_] | None] = field(default_factory=dict, compare=False)
    """Which rows a choice of sessions lets pass, for the choices that were asked last."""
    order_before: npt.NDArray[np.intp] | None = None
    """`order` of an earlier view, which is of the first rows."""

    def grown(self, head: Head, names: Mapping[int, str], pending: Iterable[tuple[int, int]] = ()) -> View:
        """Return the view of a later commit; what did not change is taken over.

        Args:
            head: What the commit says.
            names: Names of sessions by number.
            pending: Session number and seq of events that are about to be erased.
        """
        if head.erasures != self.head.erasures or head.rows < self.head.rows or head.dimension != self.head.dimension:
            return View(self.folder, Head(head.dimension, 0, head.erasures, 0)).grown(head, names, pending)
        entries = mapped(self.folder / ENTRIES_NAME, ENTRY, head.rows, 1)[self.head.rows :, 0]
        whole = tuple(block for block in self.blocks_so_far if block.shape[1] == _BLOCK_ROWS)
        keys, scales = np.concatenate([self.keys, entries["key"]]), np.concatenate([self.scales, entries["scale"]])
        for number, seq in pending:
            keys[keys == (number << SEQ_BITS | seq)] = 0
        return View(
            self.folder, head, names, keys, scales, whole, order_before=self.__dict__.get("order", self.order_before)
        )

    @property
    def blocks_so_far(self) -> tuple[Codes, ...]:
        """The blocks of codes that were computed, here or before."""
        found: tuple[Codes, ...] = self.__dict__.get("code_blocks", self.blocks)
        return found

    @cached_property
    def rows(self) -> Rows:
        """The vectors, shape (rows, dimension)."""
        return mapped(self.folder / ROWS_NAME, np.int8, self.head.rows, self.head.dimension)

    @cached_property
    def code_blocks(self) -> tuple[Codes, ...]:
        """The codes of all rows, word by word, in blocks of shape (words, rows)."""
        codes = mapped(self.folder / CODES_NAME, np.uint64, self.head.rows, code_words(self.head.dimension))
        starts = range(len(self.blocks) * _BLOCK_ROWS, self.head.rows, _BLOCK_ROWS)
        return self.blocks + tuple(np.ascontiguousarray(codes[start : start + _BLOCK_ROWS].T) for start in starts)

    @cached_property
    def sessions(self) -> npt.NDArray[np.int32]:
        """The session number of each row."""
        return (self.keys >> SEQ_BITS).astype(np.int32)

    @cached_property
    def order(self) -> npt.NDArray[np.intp]:
        """The rows, ordered by session number and seq."""
        before = self.order_before
        if before is None:
            return np.argsort(self.keys, kind="stable")
        new = np.argsort(self.keys[len(before) :], kind="stable") + len(before)
        return np.insert(before, np.searchsorted(self.keys[before], self.keys[new], "right"), new)

    @cached_property
    def sorted_keys(self) -> npt.NDArray[np.int64]:
        """The keys in that order."""
        return self.keys[self.order]

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Session numbers by name."""
        return {name: number for number, name in self.names.items()}

    @cached_property
    def is_whole(self) -> bool:
        """Whether no row was erased or belongs to a session that is about to be."""
        return self._allowed(set(self.names)) is None

    def held(self) -> int:
        """Return how many events have a vector."""
        return len(self.keys) if self.is_whole else int(np.count_nonzero(self._table(set(self.names))[self.sessions]))

    def _table(self, numbers: set[int]) -> npt.NDArray[np.bool_]:
        table = np.zeros(int(self.sessions.max(initial=0)) + 1, np.bool_)
        wanted = np.fromiter(numbers, np.int64, len(numbers))
        table[wanted[wanted < len(table)]] = True
        table[0] = False
        return table

    def _allowed(self, numbers: set[int]) -> npt.NDArray[np.bool_] | None:
        allowed = self._table(numbers)[self.sessions]
        return None if allowed.all() else allowed

    def _mask(self, sessions: Names | None) -> npt.NDArray[np.bool_] | None:
        """Return which rows a choice of sessions lets pass, None for all."""
        if sessions is None and self.is_whole:
            return None
        if sessions not in self.masks:
            numbers = set(self.names)
            if sessions is not None:
                globbed = [number for number, name in self.names.items() if name in sessions] if sessions.globs else []
                numbers = {self.numbers[name] for name in sessions.exact if name in self.numbers} | set(globbed)
            if len(self.masks) >= _MOST_MASKS:
                self.masks.clear()
            self.masks[sessions] = self._allowed(numbers)
        return self.masks[sessions]

    def search(self, query: Floats, sessions: Names | None, limit: int) -> list[Candidate]:
        """Return the events whose vectors are nearest to a question's, best first; ties by session and seq."""
        if not self.head.rows or limit < 1:
            return []
        (row,), (scale,) = quantized(query[None])
        places = self._places_of(sessions)
        allowed = None if places is not None else self._mask(sessions)
        if places is None:
            places = self._places_among(row, allowed)
        products = dots(self.rows if places is None else self.rows[places], row)
        scores = products * (self.scales if places is None else self.scales[places]) * scale
        if places is None and allowed is not None:
            scores[~allowed] = -np.inf
        best = self._best(scores, places, limit)
        return [
            Candidate(ref, float(score))
            for ref, score in zip(self._refs(self.keys[best[0]]), best[1], strict=True)
            if score > -np.inf
        ]

    def _places_of(self, sessions: Names | None) -> npt.NDArray[np.intp] | None:
        """Return the rows of a few sessions that are named outright; None when there may be many."""
        if sessions is None or sessions.globs or len(sessions.exact) > _FEW_SESSIONS:
            return None
        places = self._places_in([(name, 0, LARGEST_SEQ) for name in sessions.exact])
        return places if len(places) <= exact_rows() else None

    def _places_in(self, ranges: Iterable[tuple[str, int, int]]) -> npt.NDArray[np.intp]:
        """Return the rows of the events in some ranges, ordered as the ranges and then by seq."""
        known = ((self.numbers.get(name, 0) << SEQ_BITS, first, min(last, LARGEST_SEQ)) for name, first, last in ranges)
        bounds = np.array([(base | first, base | last) for base, first, last in known if base], np.int64).reshape(-1, 2)
        starts = np.searchsorted(self.sorted_keys, bounds[:, 0], "left")
        ends = np.searchsorted(self.sorted_keys, bounds[:, 1], "right")
        parts = [self.order[start:end] for start, end in zip(starts, ends, strict=True)]
        return np.concatenate([self.order[:0], *parts])

    def _places_among(self, row: Rows, allowed: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.intp] | None:
        """Return the rows that the cosine is computed of; None for all, those that may not be returned included."""
        count = self.head.rows if allowed is None else int(np.count_nonzero(allowed))
        if count > exact_rows():
            return nearest_codes(self.code_blocks, codes_of(row[None])[0], allowed)
        if allowed is not None and (count * 4 < self.head.rows or self.head.rows > exact_rows()):
            return np.flatnonzero(allowed)
        return None

    def _best(
        self, scores: Floats, places: npt.NDArray[np.intp] | None, limit: int
    ) -> tuple[npt.NDArray[np.intp], Floats]:
        """Return the best rows with their scores; of equal ones those of the first session and seq."""
        chosen = np.arange(len(scores))
        if len(scores) > limit:
            edge = np.partition(scores, -limit)[-limit]
            better, equal = np.flatnonzero(scores > edge), np.flatnonzero(scores == edge)
            equal = self._by_name(equal if places is None else places[equal], equal)[: limit - len(better)]
            chosen = np.concatenate([better, equal])
        chosen = self._by_name(chosen if places is None else places[chosen], chosen)
        chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
        return (chosen if places is None else places[chosen]), scores[chosen]

    @cached_property
    def _ranks(self) -> npt.NDArray[np.int64]:
        """The place of each session number in the order of names."""
        ranks = np.zeros(int(self.sessions.max(initial=0)) + 1, np.int64)
        for rank, number in enumerate(sorted(self.names, key=lambda number: self.names[number])):
            if number < len(ranks):
                ranks[number] = rank
        return ranks

    def _by_name(self, rows: npt.NDArray[np.intp], carried: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return ``carried`` in the order of its rows' session names and seqs."""
        if len(rows) <= 1:
            return carried
        keys = self.keys[rows]
        return carried[np.lexsort((keys & LARGEST_SEQ, self._ranks[keys >> SEQ_BITS]))]

    def _refs(self, keys: npt.NDArray[np.int64]) -> list[EventRef]:
        return [EventRef(self.names.get(key >> SEQ_BITS, ""), key & LARGEST_SEQ) for key in keys.tolist()]

    def cosines(
        self, query: Floats, sessions: Sequence[str], session: npt.NDArray[np.int32], seq: npt.NDArray[np.int64]
    ) -> Floats:
        """Return the cosine of each event with a question, NaN where it has no vector; as `VectorStore.cosines`."""
        found = np.full(len(seq), np.nan, np.float32)
        if not self.head.rows or not len(seq):
            return found
        numbers = np.array([self.numbers.get(name, 0) for name in sessions], np.int64)[session]
        keys = numbers << SEQ_BITS | seq
        spots = np.minimum(np.searchsorted(self.sorted_keys, keys), len(self.sorted_keys) - 1)
        held = (numbers > 0) & (self.sorted_keys[spots] == keys)
        places = self.order[spots[held]]
        (row,), (scale,) = quantized(query[None])
        found[held] = dots(self.rows[places], row) * self.scales[places] * scale
        return found

    def vectors(self, ranges: Sequence[tuple[str, int, int]]) -> tuple[list[EventRef], Floats]:
        """Return the events in these ranges that have a vector, and the vectors; as `VectorStore.vectors`."""
        places = self._places_in(ranges)
        vectors = self.rows[places].astype(np.float32) * self.scales[places, None]
        return self._refs(self.keys[places]), vectors
