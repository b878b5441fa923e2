"""Appending to one session's log: durable when it returns, one writer at a time, many waiting callers in one sync.

Order of effects for each group of callers: lock the side file; find the tail (from memory when the file is as we left
it); leave out drafts whose key the log holds; seal the rest; write all lines at once; sync; extend the side index and
the change file; unlock; return.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from zaxy.clock import Clock, format_time
from zaxy.errors import DurabilityUnknownError, LogDamagedError, ZaxyError
from zaxy.eventloom.batch import Batch, Outcome
from zaxy.eventloom.changes import ChangeWriter
from zaxy.eventloom.envelope import PreparedEvent, discard_unused, prepare, prepare_all
from zaxy.eventloom.event import Draft
from zaxy.eventloom.index import Entry, LogIdentity, SideIndex, pack
from zaxy.eventloom.keys import KnownKeys
from zaxy.eventloom.proof.seen import SeenWriter
from zaxy.eventloom.reader import LogReader
from zaxy.eventloom.scan import damaged
from zaxy.eventloom.sealing import LazySealer
from zaxy.eventloom.tail import Tail, find_tail, mark_told, untold_repairs
from zaxy.eventloom.verification import verify_log
from zaxy.files.cache import CacheFile, leave_mark
from zaxy.files.durable import (
    append_durably,
    close_quietly,
    make_directories,
    move_file,
    open_log,
    sync,
    sync_directory,
    write_failed,
)
from zaxy.files.lock import locked

logger = logging.getLogger("zaxy.eventloom")

_CLOCK_TOLERANCE_MICROSECONDS: Final = 1_000_000
"""How far the wall clock may go back before the log says so: small corrections by NTP are not worth an event."""

_GROUP_EVENTS: Final = 10_000
_SYNC_INTERVAL_MICROSECONDS: Final = 1_000_000
LOG_ACTOR: Final = "zaxy"


class FsyncPolicy(StrEnum):
    """When appended events are synced to disk."""

    ALWAYS = "always"
    INTERVAL = "interval"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """How a log is written.

    Attributes:
        fsync: ``always``: before the append returns. ``interval``: at most once a second. ``off``: never.
        max_event_bytes: Limit for one encoded payload.
        lock_timeout_seconds: How long to wait for another process that writes to the same log.
    """

    fsync: FsyncPolicy = FsyncPolicy.ALWAYS
    max_event_bytes: int = 1024 * 1024
    lock_timeout_seconds: float = 30.0


@dataclass(slots=True)
class _Ticket:
    """One caller's drafts on their way into the log."""

    prepared: Sequence[PreparedEvent]
    outcomes: list[Outcome] = field(default_factory=list)
    error: BaseException | None = None
    done: bool = False


class LogWriter:
    """Appends to one session's log. Safe to use from several threads and across a fork.

    Args:
        reader: Reads the log and knows where its files are.
        clock: Where events get their recorded time from.
        options: How to write.
        seen: Notes outside the loom what was acknowledged; None notes nothing.
        sealer: Seals forgettable events; None refuses them.
    """

    def __init__(
        self,
        reader: LogReader,
        clock: Clock,
        options: WriterOptions,
        seen: SeenWriter | None = None,
        *,
        sealer: LazySealer | None = None,
    ) -> None:
        self._layout = reader.layout
        self._clock = clock
        self._options = options
        self._reader = reader
        self._changes = ChangeWriter(reader.layout.changes)
        self._seen = seen
        self._sealer = sealer
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._queue_lock = threading.Lock()
        self._commit_lock = threading.Lock()
        self._queue: deque[_Ticket] = deque()
        self._descriptor = -1
        self._tail: Tail | None = None
        self._index: CacheFile | None = None
        self._untold = False
        self._unindexed: list[Entry] = []
        self._keys = KnownKeys(self._reader)
        self._dead: ZaxyError | None = None
        self._synced_at = 0

    def _check_process(self) -> None:
        if os.getpid() != self._process:  # a forked child must not share descriptors or locks that a thread held
            self._reset()

    def commit(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """Append drafts in order, all or none. On return they are on disk (with ``fsync=always``).

        A crash in the middle of the write may leave the first of them, each whole; nothing of it was acknowledged.

        Args:
            drafts: What to record; one whose key the log holds gives back the event that has it.

        Raises:
            InvalidInputError: A draft cannot be sealed; nothing was written.
            KeyUnavailableError: A draft is forgettable, and there are no keys for it; nothing was written.
            WriteFailedError: The disk refused; nothing was written.
            DurabilityUnknownError: The sync failed; this writer takes nothing more.
            LogDamagedError: The log is corrupt and therefore read-only.
            BusyError: Another process held the log for too long.
        """
        prepared = prepare_all(drafts, max_event_bytes=self._options.max_event_bytes, sealer=self._sealer)
        self._check_process()
        ticket = _Ticket(prepared)
        with self._queue_lock:
            self._queue.append(ticket)
        with self._commit_lock:
            if not ticket.done:
                self._commit_group()
        if ticket.error is not None:
            raise ticket.error
        discard_unused(prepared, [outcome.added for outcome in ticket.outcomes])
        return ticket.outcomes

    def _commit_group(self) -> None:
        """Write the waiting tickets, ours among them, with one sync."""
        group: list[_Ticket] = []
        with self._queue_lock:
            count = 0
            while self._queue and count < _GROUP_EVENTS:
                group.append(self._queue.popleft())
                count += len(group[-1].prepared)
        try:
            with self._writing():
                self._write(group)
        except BaseException as error:
            for ticket in group:
                ticket.error = error
            if not isinstance(error, Exception):
                raise
        finally:
            for ticket in group:
                ticket.done = True

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the log's lock; after an error nothing is remembered, and after a failed sync nothing more is taken."""
        if self._dead is not None:
            raise self._dead
        try:
            with locked(self._layout.lock, timeout_seconds=self._options.lock_timeout_seconds):
                yield
        except BaseException as error:
            if isinstance(error, DurabilityUnknownError):
                self._dead = error
            if isinstance(error, LogDamagedError):
                leave_mark(self._layout.damage_mark)
            self._forget_tail()
            if isinstance(error, OSError) and not isinstance(error, ZaxyError):
                raise write_failed(self._layout.active, error) from error
            raise

    def _forget_tail(self) -> None:
        self._tail = None
        self._unindexed = []
        self._keys.forget()
        index, self._index = self._index, None
        descriptor, self._descriptor = self._descriptor, -1  # a close that failed is not tried again
        if index is not None:
            index.close()
        if descriptor >= 0:
            close_quietly(descriptor)

    def close(self) -> None:
        """Release the log file, synced if the policy left something unsynced.

        Raises:
            DurabilityUnknownError: That sync failed; this writer takes nothing more.
        """
        self._check_process()
        with self._commit_lock:
            try:
                if self._descriptor >= 0 and self._options.fsync is FsyncPolicy.INTERVAL:
                    sync(self._descriptor)
            except DurabilityUnknownError as error:
                self._dead = error
                raise
            finally:
                self._forget_tail()
                self._changes.close()
                if self._seen is not None:
                    self._seen.close()

    def __del__(self) -> None:
        """Give the descriptors of a log that nobody closed back to the system."""
        for file in (self._index, self._changes, self._seen):
            if file is not None:
                file.close()
        if self._descriptor >= 0:
            close_quietly(self._descriptor)

    def _open(self) -> tuple[int, Tail]:
        """Return the open log and its tail."""
        path = self._layout.active
        if os.path.exists(self._layout.damage_mark):
            self._check_marked()
        try:
            named = os.stat(path)
        except FileNotFoundError:
            named = None
        if self._descriptor >= 0 and self._tail is not None and named is not None:
            if named.st_ino == self._tail.identity.inode and named.st_size == self._tail.state.offset:
                return self._descriptor, self._tail
            if named.st_ino != self._tail.identity.inode:
                self._forget_tail()
        else:
            self._forget_tail()
        if self._descriptor < 0:
            if named is None:
                make_directories(path.parent)
            self._descriptor = open_log(path, create=True)
        self._keys.forget()
        if self._index is not None:
            self._index.close()
            self._index = None
        self._tail = find_tail(self._layout, self._descriptor, self._reader.acknowledged_seq)
        self._untold = bool(untold_repairs(self._layout))
        return self._descriptor, self._tail

    def _check_marked(self) -> None:
        """Check the whole of a log that was found damaged once; it may have been restored since.

        Raises:
            LogDamagedError: It is damaged.
        """
        report = verify_log(self._layout, self._reader)
        if not report.ok:
            raise damaged(self._layout.session_id, report.broken_at_seq or 1, report.broken_reason or "it is not sound")
        with contextlib.suppress(OSError):  # then it is checked once more next time
            os.unlink(self._layout.damage_mark)

    def _write(self, group: Sequence[_Ticket]) -> None:
        descriptor, tail = self._open()
        notices = self._notices(tail)
        batch = Batch(
            self._layout.session_id,
            tail,
            self._keys,
            now=self._clock.now(),
            count=sum(len(ticket.prepared) for ticket in group),
            notices=notices,
            durable=self._options.fsync is FsyncPolicy.ALWAYS,
        )
        results = [[batch.add(item) for item in ticket.prepared] for ticket in group]
        if batch.lines:
            synced = self._is_due() or self._untold  # what was cut is told of for certain
            append_durably(
                descriptor, b"".join(batch.lines), size=tail.state.offset, path=self._layout.active, synced=synced
            )
            if tail.state.offset == 0:  # the name may be new: before the first acknowledgement it must be durable
                sync_directory(self._layout.folder)
                sync_directory(self._layout.folder.parent)  # a process that was killed may have made the folder
            self._tail = Tail(batch.state, tail.identity, batch.entries[-1].recorded_at)
            self._index_synced(tail.identity, batch.entries, batch.state.seq, synced=synced)
            self._changes.note(self._layout.session_id, batch.state.seq)
            if self._seen is not None and synced:
                self._seen.note(self._layout.session_id, batch.state.seq, batch.state.digest or "")
            if self._untold:
                with contextlib.suppress(OSError):  # the events are on disk; it is told of once more
                    for path in untold_repairs(self._layout):
                        mark_told(path)
                self._untold = False
        for ticket, outcomes in zip(group, results, strict=True):
            ticket.outcomes = outcomes

    def _is_due(self) -> bool:
        if self._options.fsync is not FsyncPolicy.INTERVAL:
            return self._options.fsync is FsyncPolicy.ALWAYS
        now = self._clock.now()
        if 0 <= now - self._synced_at < _SYNC_INTERVAL_MICROSECONDS:
            return False
        self._synced_at = now
        return True

    def _notices(self, tail: Tail) -> list[PreparedEvent]:
        """Return the events by which the log tells of itself: a repaired tail, a clock that went back."""
        notices = []
        for path in untold_repairs(self._layout) if self._untold else ():
            told = {"bytes": path.stat().st_size, "sha256": path.name.split(".")[-2], "quarantine": path.stem}
            notices.append(prepare(Draft("log.recovered", LOG_ACTOR, told)))
        now = self._clock.now()
        if now < tail.recorded_at - _CLOCK_TOLERANCE_MICROSECONDS:
            told = {"previous": format_time(tail.recorded_at), "now": format_time(now)}
            notices.append(prepare(Draft("clock.regressed", LOG_ACTOR, told)))
        return notices

    def _index_synced(self, identity: LogIdentity, entries: Sequence[Entry], last_seq: int, *, synced: bool) -> None:
        """Index what is on disk for certain: the index proves what was acknowledged. The rest waits for its sync."""
        if self._options.fsync is FsyncPolicy.OFF:
            return  # a reader walks such a log, and the next writer that syncs indexes it
        self._unindexed.extend(entries)
        if synced:
            self._extend_index(identity, self._unindexed, last_seq)
            self._unindexed = []

    def _extend_index(self, identity: LogIdentity, entries: Sequence[Entry], last_seq: int) -> None:
        """Add the entries of what was just written; only if the index knows all that comes before."""
        try:
            if self._index is None:
                index = SideIndex(self._layout.index(identity.first_seq), identity)
                try:
                    known = identity.first_seq + len(index)
                    if known == last_seq - len(entries) + 1:
                        index.extend(entries)
                        self._index = index.appender()
                finally:
                    index.close()
            else:
                self._index.append(pack(entries))
        except OSError as error:
            self._index = None
            logger.warning("the side index of %s could not be written (%s)", self._layout.active, error)

    def rotate(self) -> str | None:
        """Close the active file into `archive/`; the next file goes on with its seq and its chain.

        System calls: ``fsync``; sync of the folders above the archive; ``rename`` into the archive and sync of both
        folders, then the new file as in any append. A crash between the two leaves no active file, and the next append
        makes it.

        Returns:
            The closed segment's path, or None when there was nothing to close.
        """
        self._check_process()
        with self._commit_lock, self._writing():
            if not self._layout.active.exists():
                return None
            _, tail = self._open()
            if tail.state.offset == 0:
                return None
            target = self._layout.segment_path(tail.identity.first_seq, tail.state.seq)
            sync(self._descriptor)  # its name says how much it holds, and a write that was taken back must not return
            make_directories(target.parent)
            for folder in (target.parent.parent, self._layout.folder):
                sync_directory(folder)  # a process that was killed may have made them
            move_file(self._layout.active, target)
            self._forget_tail()
            closed = {"segment": target.name, "first_seq": tail.identity.first_seq, "last_seq": tail.state.seq}
            notice = _Ticket([prepare(Draft("log.rotated", LOG_ACTOR, {**closed, "head": tail.state.digest}))])
            self._write([notice])
            return str(target)
