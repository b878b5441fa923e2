"""Which idempotency keys a log holds: a map from the side indexes of all its files, checked against the events."""

from __future__ import annotations

import contextlib

from zaxy.eventloom.event import SOURCE_KEY, Event
from zaxy.eventloom.index import digest_key
from zaxy.eventloom.reader import LogReader
from zaxy.eventloom.tail import entries_of


class KnownKeys:
    """The keys of one log. Its owner holds the log's lock.

    Args:
        reader: Reads the log.
    """

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._seqs: dict[int, list[int]] | None = None

    def forget(self) -> None:
        """Look at the log again before the next answer: another process may have written to it."""
        self._seqs = None

    def find(self, key: str) -> Event | None:
        """Return the event that the log holds for a key."""
        if self._seqs is None:
            self._seqs = self._load()
        for seq in self._seqs.get(digest_key(key), ()):
            event = self._reader.read(seq)
            if event is not None and event.payload.get(SOURCE_KEY) == key:
                return event
        return None

    def remember(self, digest: int, seq: int) -> None:
        """Note under which key an event was just appended."""
        if self._seqs is not None and digest:
            self._seqs.setdefault(digest, []).append(seq)

    def _load(self) -> dict[int, list[int]]:
        seqs: dict[int, list[int]] = {}
        with contextlib.ExitStack() as stack:
            for file in [stack.enter_context(file) for file in self._reader.files.all()]:
                for seq, entry in enumerate(entries_of(file.descriptor, file.index), file.segment.first_seq):
                    if entry.key_digest:
                        seqs.setdefault(entry.key_digest, []).append(seq)
        return seqs
