"""The vectors of one model on disk: flat files that only grow, and a small database that says how much of them counts.

One process at a time writes (the filler's lock sees to that), any number of processes read. A writer adds rows behind
those that count, syncs them, and commits their number; what a crash leaves behind that number is written over. A row
of an event that was forgotten is overwritten with zeros in place.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from zaxy.errors import InvalidInputError, ProjectionError
from zaxy.files.durable import make_directories, rename_beside, write_at
from zaxy.files.ranges import overwrite_with_zeros
from zaxy.ids import EventRef
from zaxy.projections.protocols import Candidate, Capabilities, Position
from zaxy.projections.selection import Names
from zaxy.projections.vectors.map import Head, VectorMap
from zaxy.projections.vectors.scoring import Floats, code_words, codes_of, quantized
from zaxy.projections.vectors.view import (
    CODES_NAME,
    ENTRIES_NAME,
    ENTRY,
    LARGEST_SEQ,
    ROWS_NAME,
    SEQ_BITS,
    View,
    mapped,
)

_MAP_NAME: Final = "map.sqlite"
_MORE: Final = 4
_MOST_ASKED: Final = 3_200
_SETTLED_NANOSECONDS: Final = 100_000_000
"""A change that comes so soon after another may leave the file's times as they were."""


Admits = Callable[[Sequence[EventRef]], Collection[EventRef]]
"""Returns which of some events an answer may hold."""


@dataclass(frozen=True, slots=True)
class Filed:
    """An event that gets a vector.

    Attributes:
        ref: Which event.
        digest: `digest_of` its text.
    """

    ref: EventRef
    digest: int


def digest_of(text: str) -> int:
    """Return what equal texts have in common: 63 bits of BLAKE2b."""
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big") >> 1


class VectorStore:
    """The vectors of one model. Safe to share between threads.

    Args:
        folder: Where the stores of all models are.
        version: The name of the model; vectors of another one are another store.
    """

    def __init__(self, folder: Path, version: str) -> None:
        self.version = version
        self.folder = folder / blake2b(version.encode(), digest_size=8).hexdigest()
        self._map = VectorMap(self.folder / _MAP_NAME, version)
        self._lock = threading.RLock()
        self._view = self._empty()
        self._seen: tuple[int, ...] = ()

    def _empty(self) -> View:
        return View(self.folder, Head(0, 0, 0, 0))

    @property
    def capabilities(self) -> Capabilities:
        """What this store can do."""
        return Capabilities("vectors", durable=True)

    def exists(self) -> bool:
        """Return whether anything was stored for this model."""
        return self._map.path.exists()

    # ---- reading

    def _fresh(self) -> View:
        """Return what is committed now."""
        with self._lock:
            try:
                status = self._map.path.stat()
            except FileNotFoundError:
                self._view, self._seen = self._empty(), ()
                return self._view
            seen = (status.st_ino, status.st_size, status.st_mtime_ns)
            if seen == self._seen:
                return self._view
            before = self._view if self._seen[:1] in ((), seen[:1]) else self._empty()
            with self._map.connected() as database:
                head = self._map.head(database)
                same = head.erasures == before.head.erasures
                known = before.names if same else {}
                names = {**known, **self._map.names(database, max(known, default=0))}
                pending = self._map.pending(database)[1]
            self._view = before.grown(head, names, pending)
            settled = time.time_ns() - status.st_mtime_ns > _SETTLED_NANOSECONDS
            self._seen = seen if settled else (status.st_ino, -1, -1)
            return self._view

    def head(self) -> Head:
        """Return what the last commit says."""
        return self._fresh().head

    def cursor(self) -> Mapping[str, Position]:
        """Return how far each session was taken in. A session that never was is absent."""
        return self._map.cursor() if self.exists() else {}

    def count(self) -> int:
        """Return how many events have a vector."""
        return self._fresh().held()

    def search(
        self,
        query: Floats,
        sessions: Names | None,
        limit: int,
        admits: Admits | None = None,
        *,
        at_least: float = -1.0,
    ) -> list[Candidate]:
        """Return the events nearest to a question by cosine, best first; ties by session and seq.

        Up to 150,000 rows every cosine is computed (20,000 without the library for small integers). Above that, for
        the 4,000 rows whose codes are nearest.

        Args:
            query: The question's vector, of unit length.
            sessions: Which sessions; None means all.
            limit: At most so many.
            admits: Tells which events may be returned, and is asked until there are enough, at most about the 3,200
                nearest: what many times a text was corrected from may lie nearer than what it says now. None lets all
                pass.
            at_least: Which cosine is near enough.

        Raises:
            InvalidInputError: The question's vector has another dimension than the stored ones.
            ProjectionError: The store cannot be read.
        """
        view = self._fresh()
        if view.head.rows and query.shape != (view.head.dimension,):
            raise InvalidInputError(
                f"the vector of the question has the dimension {query.size}, the stored ones {view.head.dimension}",
                remedy="set EMBEDDING_DIMENSION back, or run: zaxy memory re-embed",
            )
        asked = limit
        while True:
            found = view.search(query, sessions, asked)
            near = [candidate for candidate in found if candidate.score >= at_least]
            if admits is None:
                return near
            allowed = admits([candidate.ref for candidate in near])
            admitted = [candidate for candidate in near if candidate.ref in allowed]
            if len(admitted) >= limit or len(near) < asked or asked >= _MOST_ASKED:
                return admitted[:limit]
            asked = min(asked * _MORE, _MOST_ASKED)

    def vectors(self, ranges: Sequence[tuple[str, int, int]]) -> tuple[list[EventRef], Floats]:
        """Return the events in these ranges that have a vector, and the vectors.

        Args:
            ranges: Session, first and last seq, both included; disjoint.

        Returns:
            The events, ordered as the ranges and then by seq, and float32 of shape (events, dimension), unit length.

        Raises:
            ProjectionError: The store cannot be read.
        """
        return self._fresh().vectors(ranges)

    def cosines(
        self, query: Floats, sessions: Sequence[str], session: npt.NDArray[np.int32], seq: npt.NDArray[np.int64]
    ) -> Floats:
        """Return how near each of these events is to a question, NaN where it has no vector.

        Args:
            query: The question's vector, of unit length.
            sessions: Names that ``session`` counts in.
            session: Shape (n,): which session each event stands in.
            seq: Shape (n,): its place there.

        Raises:
            ProjectionError: The store cannot be read.
        """
        return self._fresh().cosines(query, sessions, session, seq)

    def known(self, digests: Iterable[int]) -> set[int]:
        """Return which of these texts have a vector that can be taken again."""
        return set(self._map.rows_of(digests)) if self.exists() else set()

    # ---- writing: the caller holds the lock of the one writing process

    def begin(self) -> None:
        """Make the store where there is none, and end an erasure that was cut short.

        Raises:
            ProjectionError: There is one that cannot be used.
        """
        make_directories(self.folder)
        with self._map.connected(make=True) as database:
            pending = any(self._map.pending(database))
        if pending:
            self._erase_pending()

    def apply(self, filed: Sequence[Filed], fresh: Mapping[int, Floats], positions: Mapping[str, Position]) -> None:
        """Take in events and move the cursor, both or neither. On return they are on disk.

        Args:
            filed: The events; each session's in order of seq, behind its cursor.
            fresh: The vectors of texts that had none, by digest.
            positions: The new cursor of each session that moved.

        Raises:
            ProjectionError: Nothing was applied.
            InvalidInputError: The vectors have another dimension than the stored ones.
            WriteFailedError: The disk refused; nothing was applied.
        """
        with self._map.connected(make=True) as database:
            head = self._map.head(database)
            numbers = self._map.numbers(database, positions)
            dimension = next((len(vector) for vector in fresh.values()), head.dimension)
            if head.dimension not in (0, dimension):
                raise InvalidInputError(
                    f"{self.version} gave vectors of the dimension {dimension}, the stored ones have {head.dimension}",
                    remedy="name another model, or remove the stored vectors: zaxy memory re-embed --from-scratch",
                )
            if filed:
                rows, scales = self._rows_for(head, filed, fresh, dimension)
                keys = [numbers[one.ref.session_id] << SEQ_BITS | min(one.ref.seq, LARGEST_SEQ) for one in filed]
                self._write_rows(head.rows, rows, np.rec.fromarrays([keys, scales], dtype=ENTRY))
            texts = {one.digest: head.rows + place for place, one in enumerate(filed) if one.digest in fresh}
            self._map.commit(database, replace(head, dimension=dimension, rows=head.rows + len(filed)), texts)

    def _rows_for(
        self, head: Head, filed: Sequence[Filed], fresh: Mapping[int, Floats], dimension: int
    ) -> tuple[npt.NDArray[np.int8], Floats]:
        """Return the rows of events: new ones, and copies of those that equal texts have."""
        stacked = np.stack(list(fresh.values())) if fresh else np.zeros((0, dimension), np.float32)
        new_rows, new_scales = quantized(stacked)
        copied = self._map.rows_of({one.digest for one in filed} - set(fresh))
        old = np.fromiter(copied.values(), np.int64, len(copied))
        old_rows = mapped(self.folder / ROWS_NAME, np.int8, head.rows, dimension)[old]
        old_scales = mapped(self.folder / ENTRIES_NAME, ENTRY, head.rows, 1)[old, 0]["scale"]
        places = {digest: place for place, digest in enumerate((*fresh, *copied))}
        try:
            chosen = [places[one.digest] for one in filed]
        except KeyError as error:
            raise ProjectionError(f"an event came to the vectors in {self.folder} without one") from error
        return np.concatenate([new_rows, old_rows])[chosen], np.concatenate([new_scales, old_scales])[chosen]

    def _write_rows(self, start: int, rows: npt.NDArray[np.int8], entries: Any) -> None:
        codes = codes_of(rows)
        for name, part in ((ROWS_NAME, rows), (CODES_NAME, codes), (ENTRIES_NAME, entries)):
            width = part.nbytes // len(part)
            write_at(self.folder / name, start * width, part.tobytes())

    def drop(self, sessions: Iterable[str]) -> None:
        """Remove all that came from these sessions: on return their vectors are not in the files any more."""
        with self._map.connected(make=True) as database:
            self._map.retire(database, sessions)
        self._erase_pending()

    def forget(self, refs: Collection[EventRef]) -> None:
        """Remove events: on return their vectors are not in the files any more, nor what a killed writer left."""
        with self._map.connected(make=True) as database:
            numbers = {name: number for number, name in self._map.names(database).items()}
            rows = self._map.head(database).rows
            keys = mapped(self.folder / ENTRIES_NAME, ENTRY, rows, 1)[:, 0]["key"]
            wanted = {numbers[ref.session_id] << SEQ_BITS | ref.seq: ref for ref in refs if ref.session_id in numbers}
            held = keys[np.isin(keys, list(wanted))].tolist()
            if held:
                self._map.retire_events(database, [wanted[key] for key in held])
        if held:
            self._erase_pending()
        self._erase_behind()

    def _erase_behind(self) -> None:
        """Remove what a writer that was killed left behind the rows that count."""
        head = self.head()
        for name, width in self._widths(head).items():
            path = self.folder / name
            size, end = path.stat().st_size if path.exists() else 0, head.rows * width
            if size > end:
                overwrite_with_zeros(path, [(end, size - end)])

    @staticmethod
    def _widths(head: Head) -> dict[str, int]:
        """Return the bytes of a row in each file; the entries last: they tell which rows are meant."""
        widths = {ROWS_NAME: head.dimension, CODES_NAME: code_words(head.dimension) * 8}
        return {**widths, ENTRIES_NAME: ENTRY.itemsize}

    def _erase_pending(self) -> None:
        with self._map.connected() as database:
            head = self._map.head(database)
            numbers, events = self._map.pending(database)
        keys = mapped(self.folder / ENTRIES_NAME, ENTRY, head.rows, 1)[:, 0]["key"]
        single = [number << SEQ_BITS | seq for number, seq in events]
        rows = np.flatnonzero(np.isin(keys >> SEQ_BITS, numbers) | np.isin(keys, single))
        with self._map.connected(make=True) as database:
            self._map.unname(database, [*rows.tolist(), *np.flatnonzero(keys == 0).tolist()])
        runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1) if len(rows) else []
        for name, width in self._widths(head).items():
            if runs:
                parts = [(int(run[0]) * width, len(run) * width) for run in runs]
                overwrite_with_zeros(self.folder / name, parts)
        with self._map.connected(make=True) as database:
            self._map.finish(database)

    def reset(self) -> None:
        """Remove everything of this model."""
        with self._lock:
            self._view, self._seen = self._empty(), ()
            try:
                if self.folder.exists():
                    shutil.rmtree(rename_beside(self.folder, f"{self.folder.name}.gone-{time.time_ns()}"))
            except OSError as error:
                raise ProjectionError(f"the vectors in {self.folder} cannot be removed: {error}") from error

    def close(self) -> None:
        """Release what is mapped. The store can be used again afterwards."""
        with self._lock:
            self._view, self._seen = self._empty(), ()
