"""Rows of the forward index: in blocks of bytes, as they are stored, and as columns, as thousands are read at once.

A block holds rows of one session behind each other: first their numbers, 60 bytes a row, then the terms of all of them.
A run of rows within it is one run of each.
Names stand in a list of the layer that the block is from; a row holds their places in it.

Needs numpy, which is imported when the first question is asked: a command that only writes never loads it.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate
from sys import byteorder
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_FIGURES: Final = struct.Struct("<qqIIIII")
_COUNT_BITS: Final = 8
_MOST_COUNTED: Final = (1 << _COUNT_BITS) - 1
_DIGEST_BYTES: Final = 7
_DIGEST_KEY: Final = b"zaxy forward index"
_HEAD: Final = struct.Struct("<qIIII")
_ROW_DTYPE: Final = [("seq", "<i8"), *((name, "<u4") for name in ("event_type", "actor", "speaker", "terms"))]
_ROW_BYTES: Final = 60
_TERM_BYTES: Final = 8
_SEQ_AND_TERMS: Final = struct.Struct("<q12xI36x")
_BLOCK_BYTES: Final = 600
"""About what a block takes beside what it holds."""


class Figures(NamedTuple):
    """The numbers of a row; times in microseconds.

    Attributes:
        occurred: When it happened in the world.
        recorded: When the log learned it.
        flags: Bits of `Flag`.
        length: How many terms its text has.
        first_person: How many of its words are of the first person.
        words: How many words were said.
        capitals: How many of them begin with a capital letter without beginning a sentence.
    """

    occurred: int
    recorded: int
    flags: int
    length: int
    first_person: int
    words: int
    capitals: int

    @classmethod
    def unpack(cls, packed: bytes) -> Figures:
        """Return the numbers of a row's ``figures``."""
        return cls._make(_FIGURES.unpack(packed))


class ForwardRow(NamedTuple):
    """What one memory event holds. Numbers stay packed: thousands of rows become columns for one question, at once.

    Attributes:
        session_id: Its session.
        seq: Its place there.
        event_type: Such as ``transcript.turn``.
        actor: The event's actor.
        speaker: Who said it, as the payload tells, else the actor.
        figures: Moments, flags and counts: see `Figures`.
        terms: Little-endian 64-bit numbers, sorted, one a term: ``digest << 8 | min(count, 255)``.
    """

    session_id: str
    seq: int
    event_type: str
    actor: str
    speaker: str
    figures: bytes
    terms: bytes


_FIGURES_DTYPE: Final = [(name, "<i8" if place < 2 else "<u4") for place, name in enumerate(Figures._fields)]
"""How numpy reads many rows' ``figures`` that stand behind each other."""


def packed_figures(*figures: int) -> bytes:
    """Return the numbers of a row, in the order of `Figures`, as bytes."""
    return _FIGURES.pack(*figures)


def packed_terms(counts: Counter[str]) -> bytes:
    """Return the terms of a row as bytes: each digest with how often the term stands there, at most 255."""
    told = [digest_of(term) << _COUNT_BITS | (count if count < 256 else 255) for term, count in counts.items()]
    told.sort()
    entries = array("Q", told)
    if byteorder == "big":
        entries.byteswap()
    return entries.tobytes()


@lru_cache(maxsize=65_536)
def digest_of(term: str) -> int:
    """Return the 56 bits that a term is known by: BLAKE2b with a key of its own.

    Of a million different terms, two share a digest with a chance of 1 in 144,000 (the birthday bound n^2 / 2^57).
    """
    return int.from_bytes(blake2b(term.encode(), digest_size=_DIGEST_BYTES, key=_DIGEST_KEY).digest(), "little")


class Block:
    """Rows of one session behind each other, ordered by seq, of which any run can be taken.

    Args:
        heads: Their numbers; a ``bytearray`` when rows are to be added.
        terms: The terms of all of them, likewise.

    Raises:
        ValueError: These bytes are no rows.
    """

    __slots__ = ("_ends", "_heads", "_seqs", "_terms")

    def __init__(self, heads: bytes | bytearray, terms: bytes | bytearray) -> None:
        if len(heads) % _ROW_BYTES:
            raise ValueError("a block of rows ends within one")
        told = [*_SEQ_AND_TERMS.iter_unpack(heads)]
        self._heads, self._terms = heads, terms
        self._seqs = array("q", [seq for seq, _ in told])
        self._ends = array("Q", accumulate((count for _, count in told), initial=0))
        if self._ends[-1] * _TERM_BYTES != len(terms):
            raise ValueError("a block of rows does not hold their terms")

    @classmethod
    def stored(cls, rows: int, body: bytes) -> Block:
        """Return the block of which this is the number of rows and the `body`; as the constructor otherwise."""
        return cls(body[: rows * _ROW_BYTES], body[rows * _ROW_BYTES :])

    @property
    def body(self) -> bytes:
        """The rows as they are stored."""
        return bytes(self._heads + self._terms)

    def __len__(self) -> int:
        """How many rows."""
        return len(self._seqs)

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        return len(self._heads) + len(self._terms) + _BLOCK_BYTES

    def add(self, row: ForwardRow, place_of: Callable[[str], int]) -> None:
        """Add a row behind the last one; ``place_of`` gives a name's place in the list of names."""
        names = place_of(row.event_type), place_of(row.actor), place_of(row.speaker)
        count = len(row.terms) // _TERM_BYTES
        self._heads += _HEAD.pack(row.seq, *names, count) + row.figures
        self._terms += row.terms
        self._seqs.append(row.seq)
        self._ends.append(self._ends[-1] + count)

    def reaches(self, first: int, last: int) -> bool:
        """Return whether any row may lie between two sequence numbers, both inclusive."""
        return bool(self._seqs) and self._seqs[0] <= last and first <= self._seqs[-1]

    def part(self, first: int, last: int) -> tuple[bytes | bytearray, bytes | bytearray]:
        """Return the rows from a sequence number to another, both inclusive: their numbers, and their terms."""
        seqs = self._seqs
        if seqs and first <= seqs[0] and seqs[-1] <= last:
            return self._heads, self._terms
        begin, end = bisect_left(seqs, first), bisect_right(seqs, last)
        heads = self._heads[begin * _ROW_BYTES : end * _ROW_BYTES]
        return heads, self._terms[self._ends[begin] * _TERM_BYTES : self._ends[end] * _TERM_BYTES]


Part = tuple[str, bytes | bytearray, bytes | bytearray]
"""Rows on their way into columns: their session, their numbers and their terms."""


@lru_cache(maxsize=1)
def _row_dtype() -> np.dtype[np.void]:
    import numpy as np

    return np.dtype([*_ROW_DTYPE, *_FIGURES_DTYPE])


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows of the forward index: entry ``i`` of each column belongs to one event. There are n of them.

    Attributes:
        sessions: What ``session`` counts in.
        session: int64[n].
        names: What ``event_type``, ``actor`` and ``speaker`` of ``rows`` count in; a name may stand there twice.
        rows: n records: ``seq``, the names, how many different ``terms``, and what `Figures` holds.
        entries: The terms of all rows, one row after the other: ``digest << 8 | count``.
    """

    sessions: Sequence[str]
    session: npt.NDArray[np.int64]
    names: Sequence[str]
    rows: npt.NDArray[np.void]
    entries: npt.NDArray[np.uint64]

    @classmethod
    def of(cls, parts: Iterable[Part], names: Sequence[str]) -> Columns:
        """Return rows of one layer as columns, in the order of the parts."""
        import numpy as np

        numbers: dict[str, int] = {}
        session, sizes, all_heads, all_terms = [], [], [], []
        for name, heads, terms in parts:
            session.append(numbers.setdefault(name, len(numbers)))
            sizes.append(len(heads) // _ROW_BYTES)
            all_heads.append(heads)
            all_terms.append(terms)
        return cls(
            tuple(numbers),
            np.repeat(np.array(session, np.int64), sizes),
            names,
            np.frombuffer(b"".join(all_heads), _row_dtype()),
            np.frombuffer(b"".join(all_terms), "<u8"),
        )

    def joined(self, other: Columns) -> Columns:
        """Return the rows of both, those of the other one last."""
        import numpy as np

        if not len(other.rows):
            return self
        moved = other.rows.copy()
        for name in ("event_type", "actor", "speaker"):
            moved[name] += len(self.names)
        return Columns(
            (*self.sessions, *other.sessions),
            np.concatenate((self.session, other.session + len(self.sessions))),
            (*self.names, *other.names),
            np.concatenate((self.rows, moved)),
            np.concatenate((self.entries, other.entries)),
        )

    def counts(self, terms: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return float32[n, terms]: how often each term stands in each row, at most 255; each column in one piece.

        One pass over the terms of all rows for each asked term.
        """
        import numpy as np

        ends = np.cumsum(self.rows["terms"], dtype=np.int64)
        counts = np.zeros((len(terms), len(self.rows)), np.float32)
        digests = self.entries >> np.uint64(_COUNT_BITS)
        for column, term in zip(counts, terms, strict=True):
            places = np.flatnonzero(digests == np.uint64(digest_of(term)))
            column[np.searchsorted(ends, places, side="right")] = self.entries[places] & np.uint64(_MOST_COUNTED)
        return counts.T


def factorized(numbers: npt.NDArray[np.integer], names: Sequence[str]) -> tuple[tuple[str, ...], npt.NDArray[np.int32]]:
    """Return the distinct names that stand in a column, ordered, and the column counting in them.

    Args:
        numbers: Shape (n,): places in ``names``.
        names: The names; one may stand there twice.
    """
    import numpy as np

    if not len(numbers):
        return (), np.zeros(0, np.int32)
    held = np.zeros(int(numbers.max()) + 1, np.bool_)
    held[numbers] = True
    used = np.flatnonzero(held)
    told = [names[number] for number in used.tolist()]
    distinct = tuple(sorted(set(told)))
    place = {name: number for number, name in enumerate(distinct)}
    places = np.zeros(len(held), np.int32)
    places[used] = [place[name] for name in told]
    return distinct, places[numbers]
