"""Rows of the forward index: in blocks of bytes, as they are stored, and as columns, as thousands are read at once.

A block holds rows of one session behind each other: first their numbers, 60 bytes a row, then the terms of all of them.
Names stand in a list of the layer that the block is from; a row holds their places in it.

Needs numpy, which is imported when the first question is asked: a command that only writes never loads it.
"""

from __future__ import annotations

import struct
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
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


class Block(NamedTuple):
    """Rows of one session behind each other, ordered by seq.

    Attributes:
        session_id: The session.
        rows: How many.
        body: Their numbers, then their terms.
    """

    session_id: str
    rows: int
    body: bytes

    @classmethod
    def of(cls, rows: Sequence[ForwardRow], place_of: Callable[[str], int]) -> Block:
        """Return rows of one session as a block; ``place_of`` gives a name's place in the list of names."""
        heads = [
            _HEAD.pack(
                row.seq,
                place_of(row.event_type),
                place_of(row.actor),
                place_of(row.speaker),
                len(row.terms) // _TERM_BYTES,
            )
            + row.figures
            for row in rows
        ]
        return cls(rows[0].session_id, len(rows), b"".join((*heads, *(row.terms for row in rows))))

    def up_to(self, last_seq: int) -> Block:
        """Return the block without the rows behind a sequence number."""
        kept = self.rows
        while kept and _HEAD.unpack_from(self.body, (kept - 1) * _ROW_BYTES)[0] > last_seq:
            kept -= 1
        if kept == self.rows:
            return self
        terms = sum(_HEAD.unpack_from(self.body, row * _ROW_BYTES)[-1] for row in range(kept))
        start = self.rows * _ROW_BYTES
        body = self.body[: kept * _ROW_BYTES] + self.body[start : start + terms * _TERM_BYTES]
        return Block(self.session_id, kept, body)

    def followed_by(self, other: Block) -> Block:
        """Return both blocks as one; the rows of the other one come last."""
        here, there = self.rows * _ROW_BYTES, other.rows * _ROW_BYTES
        body = self.body[:here] + other.body[:there] + self.body[here:] + other.body[there:]
        return Block(self.session_id, self.rows + other.rows, body)


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
    def of(cls, blocks: Iterable[Block], names: Sequence[str]) -> Columns:
        """Return blocks of one layer as columns, in the order of the blocks."""
        import numpy as np

        numbers: dict[str, int] = {}
        session, sizes, heads, terms = [], [], [], []
        for name, size, body in blocks:
            session.append(numbers.setdefault(name, len(numbers)))
            sizes.append(size)
            heads.append(body[: size * _ROW_BYTES])
            terms.append(body[size * _ROW_BYTES :])
        return cls(
            tuple(numbers),
            np.repeat(np.array(session, np.int64), sizes),
            names,
            np.frombuffer(b"".join(heads), np.dtype([*_ROW_DTYPE, *_FIGURES_DTYPE])),
            np.frombuffer(b"".join(terms), "<u8"),
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
        """Return float32[n, terms]: how often each term stands in each row, at most 255.

        One pass over the terms of all rows for each asked term.
        """
        import numpy as np

        ends = np.cumsum(self.rows["terms"], dtype=np.int64)
        counts = np.zeros((len(self.rows), len(terms)), np.float32)
        digests = self.entries >> np.uint64(_COUNT_BITS)
        for column, term in enumerate(terms):
            places = np.flatnonzero(digests == np.uint64(digest_of(term)))
            counts[np.searchsorted(ends, places, side="right"), column] = self.entries[places] & np.uint64(
                _MOST_COUNTED
            )
        return counts


def factorized(numbers: npt.NDArray[np.integer], names: Sequence[str]) -> tuple[tuple[str, ...], npt.NDArray[np.int32]]:
    """Return the distinct names that stand in a column, ordered, and the column counting in them.

    Args:
        numbers: Shape (n,): places in ``names``.
        names: The names; one may stand there twice.
    """
    import numpy as np

    used, inverse = np.unique(numbers, return_inverse=True)
    told = [names[number] for number in used.tolist()]
    distinct = tuple(sorted(set(told)))
    place = {name: number for number, name in enumerate(distinct)}
    return distinct, np.array([place[name] for name in told], np.int32)[inverse]
