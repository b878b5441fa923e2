"""Where the records of a file stand that its side index does not know, once somebody has walked over them.

A log that is written without syncing, or that another program wrote, has no side index: without this, each single event
that is read from it would be looked for from the file's beginning.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol, TypeVar

from zaxy.eventloom.index import Entry
from zaxy.eventloom.scan import ChainState


class Sound(Protocol):
    """A sound record and where it stands: see `zaxy.eventloom.reader.Read`."""

    @property
    def seq(self) -> int:
        """Its sequence number."""

    @property
    def digest(self) -> str:
        """Its digest."""

    @property
    def end(self) -> int:
        """Byte offset just behind its line."""


SoundT = TypeVar("SoundT", bound=Sound)


class Walked:
    """Remembers the places of one file's records. Safe to share between threads.

    What is found at a place is checked as with the side index: a file that changed gives no wrong event.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forget(0)

    def _forget(self, inode: int) -> None:
        self._inode = inode
        self._first = 0
        self._offsets = array("Q")
        self._end = ChainState()

    def entry(self, inode: int, seq: int) -> Entry | None:
        """Return where a record of a file stands, as far as it was walked over."""
        with self._lock:
            place = seq - self._first
            known = inode == self._inode and 0 <= place < len(self._offsets)
            return Entry(self._offsets[place], 0, 0) if known else None

    def find(
        self,
        inode: int,
        seq: int,
        start: ChainState,
        walk: Callable[[ChainState], Iterator[SoundT]],
        bad: type[Exception],
    ) -> SoundT | None:
        """Walk on to a record and return it, or None when there is no sound one; remember all on the way.

        Args:
            inode: The file's.
            seq: Which record.
            start: Where to begin when nothing nearer is known.
            walk: Gives the records that follow a state.
            bad: What it raises at a record that is not sound.
        """
        with self._lock:
            if inode == self._inode and start.seq <= self._end.seq < seq:
                found = self._walk_on(seq, walk, bad)
                if found is not None:
                    return found
            self._forget(inode)  # another file, or not what was there before
            self._end = start
            return self._walk_on(seq, walk, bad)

    def _walk_on(self, seq: int, walk: Callable[[ChainState], Iterator[SoundT]], bad: type[Exception]) -> SoundT | None:
        with suppress(bad):
            for read in walk(self._end):
                if not self._offsets:
                    self._first = read.seq
                self._offsets.append(self._end.offset)
                self._end = ChainState(read.seq, read.digest, read.end)
                if read.seq == seq:
                    return read
        return None
