"""Reading one session's log, without locks: replay, single events, the tail. Every record is checked as it is read.

The side index makes jumps cheap where it fits; where it is missing or behind, the file is walked instead. Reading
creates nothing, so a log on read-only storage is read in place.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from zaxy.errors import NotALogError, NotFoundError
from zaxy.eventloom.event import Event
from zaxy.eventloom.index import LogIdentity, SideIndex
from zaxy.eventloom.layout import LogLayout, Segment
from zaxy.eventloom.records import BadRecordError, Record, check_record, read_record
from zaxy.eventloom.scan import UNKNOWN, ChainState, damaged, read_line, unterminated, walk
from zaxy.eventloom.tail import indexed_record, known_end, last_line, record_time

_UNREADABLE: Final = frozenset({"not_json", "bad_utf8", "not_an_object", "bad_envelope", "non_canonical", "too_deep"})


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a log as a reader finds it.

    Attributes:
        seq: Number of the last record, 0 in an empty log.
        digest: Its digest, empty in an empty log.
        recorded_at: When it was recorded (microseconds).
        event: The last event, None in an empty log.
    """

    seq: int = 0
    digest: str = ""
    recorded_at: int = 0
    event: Event | None = None


class LogReader:
    """Reads the files of one session. Holds nothing open between calls; safe to share between threads.

    Args:
        layout: Where the log's files are.
    """

    def __init__(self, layout: LogLayout) -> None:
        self._layout = layout
        self._first: tuple[int, int] | None = None

    def segments(self) -> list[Segment]:
        """Return the files that exist, oldest first, each with its first sequence number."""
        closed = self._layout.closed_segments()
        try:
            status = os.stat(self._layout.active)
        except FileNotFoundError:
            return closed
        if status.st_size == 0:
            return closed
        if self._first is None or self._first[0] != status.st_ino:
            self._first = (status.st_ino, self._first_seq((closed[-1].last_seq or 0) + 1 if closed else 1))
        return [*closed, Segment(self._layout.active, self._first[1])]

    def _first_seq(self, fallback: int) -> int:
        descriptor = os.open(self._layout.active, os.O_RDONLY | os.O_CLOEXEC)
        try:
            line = read_line(descriptor, 0)
            seq = read_record(line.data).seq if line else None
        except BadRecordError:
            seq = None
        finally:
            os.close(descriptor)
        return fallback if seq is None else seq

    @contextlib.contextmanager
    def opened(self, segment: Segment) -> Iterator[tuple[int, SideIndex]]:
        """Open a file and its side index for the length of a ``with`` block."""
        descriptor = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        index = SideIndex(
            self._layout.index(segment.first_seq), LogIdentity(os.fstat(descriptor).st_ino, segment.first_seq)
        )
        try:
            yield descriptor, index
        finally:
            index.close()
            os.close(descriptor)

    def require(self) -> None:
        """Make sure that there is a log.

        Raises:
            NotFoundError: No file of this session exists.
            NotALogError: The path is a folder.
        """
        if self._layout.active.is_dir():
            raise NotALogError(f"{self._layout.active} is a folder, not a log", remedy="name one .jsonl file in it")
        if not self._layout.active.exists() and not self._layout.closed_segments():
            raise NotFoundError(
                f"there is no log at {self._layout.active}", remedy="see which sessions exist: zaxy memory status"
            )

    def replay(self, from_seq: int = 1, to_seq: int | None = None) -> Iterator[Event]:
        """Yield events in order, each checked against its hash and its predecessor.

        Args:
            from_seq: First event wanted.
            to_seq: Last event wanted, None for the end of the log.

        Raises:
            LogDamagedError: After the events before it, when a record is bad. A torn last line ends the replay quietly:
                it was never acknowledged.
        """
        before: ChainState | None = None
        for segment in self.segments():
            if segment.last_seq is not None and segment.last_seq < from_seq:
                continue
            with self.opened(segment) as (descriptor, index):
                start = self._start(descriptor, index, segment, max(from_seq, segment.first_seq))
                if before is not None:
                    start = replace(start, seq=before.seq, digest=before.digest)
                for step in self._walk(descriptor, start):
                    before = ChainState(step.seq, step.digest)
                    if to_seq is not None and step.seq > to_seq:
                        return
                    if step.seq >= from_seq:
                        yield step.record.event(self._layout.session_id, step.seq)

    def _start(self, descriptor: int, index: SideIndex, segment: Segment, seq: int) -> ChainState:
        """Return the state just before event ``seq``, or the nearest earlier one that can be reached cheaply."""
        if seq == segment.first_seq:
            return ChainState()
        entry = index.entry(seq)
        if entry is not None and indexed_record(descriptor, entry, seq) is not None:
            return ChainState(seq - 1, UNKNOWN, entry.offset)
        state, _ = known_end(descriptor, index)
        return state if 0 < state.seq < seq else ChainState()

    def _walk(self, descriptor: int, start: ChainState) -> Iterator[_Read]:
        reached = start
        try:
            for step in walk(descriptor, start):
                reached = ChainState(step.seq, step.record.digest, step.offset + len(step.line) + 1)
                yield _Read(step.seq, step.record.digest, reached.offset, step.record, len(step.line))
        except BadRecordError as finding:
            if finding.finding == "torn":
                whole = unterminated(descriptor, reached)
                if whole is not None:
                    end = whole.offset + len(whole.line)
                    yield _Read(whole.seq, whole.record.digest, end, whole.record, len(whole.line))
                return
            if reached.seq == 0 and finding.finding in _UNREADABLE:
                raise NotALogError(
                    f"{self._layout.active} is not an Eventloom log: {finding.message}", remedy="name another file"
                ) from finding
            raise damaged(self._layout.session_id, reached.seq + 1, finding) from finding

    def read(self, seq: int) -> Event | None:
        """Return one event, checked against its hash, or None when the log has no sound event of that number."""
        for segment in reversed(self.segments()):
            if segment.first_seq <= seq and (segment.last_seq is None or seq <= segment.last_seq):
                with self.opened(segment) as (descriptor, index):
                    entry = index.entry(seq)
                    found = indexed_record(descriptor, entry, seq) if entry is not None else None
                    if found is not None:
                        return found[1].event(self._layout.session_id, seq)
                    start = self._start(descriptor, index, segment, seq)
                    with contextlib.suppress(BadRecordError):
                        for step in walk(descriptor, start):
                            if step.seq == seq:
                                return step.record.event(self._layout.session_id, seq)
                return None
        return None

    def head(self) -> Head:
        """Return the end of the log: the last sound record.

        Raises:
            LogDamagedError: A record that the side index does not cover is bad.
        """
        segments = self.segments()
        if not segments:
            return Head()
        segment = segments[-1]
        with self.opened(segment) as (descriptor, index):
            state, recorded_at = known_end(descriptor, index)
            size = os.fstat(descriptor).st_size
            if state.seq and state.offset == size:
                record = read_record(last_line(descriptor))
                return Head(
                    state.seq, state.digest or "", recorded_at, record.event(self._layout.session_id, state.seq)
                )
            start = state if state.seq else ChainState(segment.first_seq - 1, UNKNOWN, 0)
            newest = deque(self._walk(descriptor, start), maxlen=1)
        if not newest:
            return Head()
        last = newest[0]
        event = last.record.event(self._layout.session_id, last.seq)
        return Head(last.seq, last.digest, record_time(last.record), event)

    def read_after(self, seq: int, digest: str, place: tuple[int, int]) -> Iterator[Located]:
        """Yield what follows an event that a projection has applied.

        Args:
            seq: That event's number; 0 to begin at the start.
            digest: Its digest: the first event that is yielded must name it.
            place: Inode of the file that held it, and the offset just behind it.

        Raises:
            DivergedError: The log does not hold that event any more.
            LogDamagedError: A record is bad; what was yielded before it is good.
        """
        segments = [segment for segment in self.segments() if segment.last_seq is None or segment.last_seq >= seq]
        if seq and not segments:
            raise DivergedError(self._layout.session_id)
        before = ChainState(seq, digest, 0) if seq else None
        for position, segment in enumerate(segments):
            with self.opened(segment) as (descriptor, index):
                status = os.fstat(descriptor)
                if position == 0 and seq and segment.first_seq <= seq:
                    offset = self._offset_behind(descriptor, index, seq, digest, place)
                else:
                    offset = 0
                start = ChainState(before.seq, before.digest, offset) if before else ChainState()
                for step in self._walk(descriptor, start):
                    before = ChainState(step.seq, step.digest)
                    yield Located(
                        step.record.event(self._layout.session_id, step.seq),
                        step.end,
                        segment.first_seq,
                        status.st_ino,
                        step.length,
                    )

    def _offset_behind(self, descriptor: int, index: SideIndex, seq: int, digest: str, place: tuple[int, int]) -> int:
        inode, offset = place
        status = os.fstat(descriptor)
        if inode == status.st_ino and offset <= status.st_size:
            with contextlib.suppress(BadRecordError):
                if check_record(_line_before(descriptor, offset)).digest == digest:
                    return offset
        entry = index.entry(seq)
        found = indexed_record(descriptor, entry, seq) if entry is not None else None
        if found is not None and entry is not None and found[1].digest == digest:
            return entry.offset + found[0] + 1
        state = ChainState()
        with contextlib.suppress(BadRecordError):
            for step in walk(descriptor, state):
                if step.seq == seq and step.record.digest == digest:
                    return step.offset + len(step.line) + 1
        raise DivergedError(self._layout.session_id)


@dataclass(frozen=True, slots=True)
class _Read:
    """One record of a walk, and where its line ends."""

    seq: int
    digest: str
    end: int
    record: Record
    length: int


@dataclass(frozen=True, slots=True)
class Located:
    """An event with its place in the files.

    Attributes:
        event: The event.
        end: Byte offset just behind its line.
        first_seq: First sequence number of the file that holds it.
        inode: That file's inode.
        length: Length of its line in bytes.
    """

    event: Event
    end: int
    first_seq: int
    inode: int
    length: int


class DivergedError(Exception):
    """Raised when a log does not continue from where a projection stands: cut, rewritten, or another log.

    Args:
        session_id: Which session.
    """

    def __init__(self, session_id: str) -> None:
        super().__init__(f"the log of session {session_id} is not the one that was projected")
        self.session_id = session_id


def _line_before(descriptor: int, end: int) -> bytes:
    """Return the line that ends just before ``end``, without its newline; empty when none does."""
    if end <= 0 or os.pread(descriptor, 1, end - 1) != b"\n":
        return b""
    block = 4_096
    while True:
        start = max(0, end - 1 - block)
        data = os.pread(descriptor, end - 1 - start, start)
        at = data.rfind(b"\n")
        if at >= 0 or start == 0:
            return data[at + 1 :]
        block *= 8
