"""Reading one session's log, without locks: replay, single events, the tail. Every record is checked as it is read.

The side index makes jumps cheap where it fits; where it is missing or behind, the file is walked instead. Reading
creates nothing but a mark beside a log that it finds damaged, so a log on read-only storage is read in place.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple, Protocol, TypeVar

from zaxy.errors import IntegrityError, NotALogError, NotFoundError
from zaxy.eventloom.event import Event
from zaxy.eventloom.files import LogFiles, OpenFile
from zaxy.eventloom.layout import LogLayout
from zaxy.eventloom.records import BadRecordError, Record, read_record
from zaxy.eventloom.scan import (
    UNKNOWN,
    ChainState,
    LineHash,
    Step,
    Stretch,
    begins_a_record,
    check_content,
    damaged,
    read_line,
    read_lines,
    skim,
    unterminated,
    walk,
)
from zaxy.eventloom.tail import indexed_record, known_end, last_line, record_time
from zaxy.eventloom.torn import BadLine, CheckpointedSeq, acknowledged_end, is_torn, was_acknowledged
from zaxy.eventloom.walked import Walked
from zaxy.files.cache import leave_mark

_FIRST_LINES: Final = 50
_FIRST_BYTES: Final = 1024 * 1024
_FOREIGN: Final = frozenset(
    {"not_json", "bad_utf8", "not_an_object", "bad_envelope", "non_canonical", "too_deep", "torn"}
)


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


class Read(NamedTuple):
    """One sound record of a log and where it stands.

    Attributes:
        seq: Its sequence number.
        digest: Its digest.
        end: Byte offset just behind its line.
        length: Length of its line in bytes.
        record: What is in it.
        first_seq: First sequence number of its file.
        inode: Inode of its file.
    """

    seq: int
    digest: str
    end: int
    length: int
    record: Record
    first_seq: int
    inode: int


class Found(Protocol):
    """What reading a file finds: some records, and where the chain stands behind them."""

    @property
    def seq(self) -> int:
        """Number of the last one."""

    @property
    def digest(self) -> str | None:
        """Its digest."""


FoundT = TypeVar("FoundT", bound=Found)


class LogFindingError(Exception):
    """Raised by a walk at a bad record.

    Args:
        code: Short name, such as ``hash_mismatch``.
        seq: The first event that is affected.
        message: The sentence.
        path: The file.
    """

    def __init__(self, code: str, seq: int, message: str, path: str) -> None:
        super().__init__(message)
        self.code = code
        self.seq = seq
        self.message = message
        self.path = path


class LogReader:
    """Reads the files of one session. Holds nothing open between calls; safe to share between threads.

    Args:
        layout: Where the log's files are.
        acknowledged_seq: Asked before a bad line is taken for a torn tail: an event up to that number never is. What
            it raises goes to whoever reads.
    """

    def __init__(self, layout: LogLayout, acknowledged_seq: CheckpointedSeq | None = None) -> None:
        self.layout = layout
        self.acknowledged_seq = acknowledged_seq
        self.files = LogFiles(layout)
        self._walked = Walked()

    def require(self) -> None:
        """Make sure that there is a log.

        Raises:
            NotFoundError: No file of this session exists.
            NotALogError: The path is a folder.
        """
        if self.layout.active.is_dir():
            raise NotALogError(f"{self.layout.active} is a folder, not a log", remedy="name one .jsonl file in it")
        if not self.layout.active.exists() and not self.layout.closed_segments():
            raise NotFoundError(
                f"there is no log at {self.layout.active}", remedy="see which sessions exist: zaxy memory status"
            )

    # ---- walking

    def steps(self, from_seq: int = 1) -> Iterator[Read]:
        """Yield the sound records from a number on, or from a little before it.

        Raises:
            LogFindingError: The next record is bad, or missing. ``torn`` is the tail that an unfinished write left.
        """
        wanted = max(from_seq, self.layout.first_seq)
        return self.walk_files(wanted, lambda file: _state_before(file, wanted), self.walk_file)

    def stretches(self, hash_lines: LineHash | None = None) -> Iterator[Stretch]:
        """Check the whole log: yield how far it is sound, block by block.

        Args:
            hash_lines: Also makes a hash of each raw line.

        Raises:
            LogFindingError: As `steps`.
        """
        wanted = self.layout.first_seq
        skim_file = partial(self.skim_file, hash_lines=hash_lines)
        return self.walk_files(wanted, lambda file: _state_before(file, wanted), skim_file)

    def walk_files(
        self,
        wanted: int,
        start: Callable[[OpenFile], ChainState],
        read_file: Callable[[OpenFile, ChainState], Iterator[FoundT]],
    ) -> Iterator[FoundT]:
        """Yield what ``read_file`` finds in each file, from the one that holds an event to the end of the log.

        Args:
            wanted: That event's number.
            start: Gives the state to begin with in the first file.
            read_file: Reads one file from a state on.

        Raises:
            LogFindingError: A record is bad or missing.
        """
        reached: ChainState | None = None
        inode = 0
        while True:
            file = self.files.holding(wanted)
            if file is None and not self.files.begins_behind(wanted):
                return
            if file is None:  # it may have been written, and more behind it, since that look; now it must be there
                file = self.files.holding(wanted)
            if file is None:
                leave_mark(self.layout.damage_mark)
                raise LogFindingError("missing", wanted, f"event {wanted} is missing", str(self.layout.active))
            with file:
                if file.inode == inode:
                    return
                inode = file.inode
                state = start(file) if reached is None else ChainState(reached.seq, reached.digest, 0)
                if reached is None and state.seq:
                    reached = ChainState(state.seq, state.digest)
                found: FoundT | None = None
                for found in read_file(file, state):
                    yield found
                if found is not None:
                    reached = ChainState(found.seq, found.digest)
            last = reached.seq if reached is not None else 0
            if file.segment.last_seq is not None and last < file.segment.last_seq:
                message = f"event {last + 1} is missing: the closed segment ends early"
                leave_mark(self.layout.damage_mark)
                raise LogFindingError("missing", max(last + 1, wanted), message, str(file.segment.path))
            if last < wanted:
                return
            wanted = last + 1

    def walk_file(self, file: OpenFile, state: ChainState) -> Iterator[Read]:
        """Yield the sound records of one file that follow a state.

        Raises:
            LogFindingError: The next one is bad.
        """
        first_seq, inode = file.segment.first_seq, file.inode
        last: Read | None = None
        try:
            for seq, offset, line, record in walk(file.descriptor, state):
                length = len(line)
                last = Read(seq, record.digest, offset + length + 1, length, record, first_seq, inode)
                yield last
        except BadRecordError as finding:
            if last is not None:
                state = ChainState(last.seq, last.digest, last.end)
            whole = self._last_without_newline(file, state, finding)
            length = len(whole.line)
            yield Read(whole.seq, whole.record.digest, whole.offset + length, length, whole.record, first_seq, inode)

    def skim_file(self, file: OpenFile, state: ChainState, hash_lines: LineHash | None = None) -> Iterator[Stretch]:
        """Check the records of one file that follow a state, block by block.

        Raises:
            LogFindingError: The next one is bad.
        """
        try:
            for stretch in skim(file.descriptor, state, hash_lines):
                state = ChainState(stretch.seq, stretch.digest, stretch.end)
                yield stretch
        except BadRecordError as finding:
            whole = self._last_without_newline(file, state, finding)
            hashes = [] if hash_lines is None else hash_lines([whole.line])
            yield Stretch(1, whole.seq, whole.record.digest, whole.offset + len(whole.line), hashes)

    def _last_without_newline(self, file: OpenFile, state: ChainState, finding: BadRecordError) -> Step:
        """Return the record behind ``state`` when only its newline is missing; else say what was found there."""
        whole = unterminated(file.descriptor, state) if finding.finding == "torn" else None
        if whole is not None:
            return whole
        code, message = finding.finding, finding.message
        seq = max(state.seq + 1, file.segment.first_seq)
        if not file.is_active or self.layout.is_closed_segment:
            code = "cut_segment" if code == "torn" else code
        elif self._is_torn(file, state, seq):
            code, message = "torn", "what follows the last event is an unfinished write"
        elif code == "torn":
            code, message = "cut_record", "an acknowledged event is not what was sealed"
        if code != "torn" and (state.seq or self.begins_like_a_log()):
            leave_mark(self.layout.damage_mark)
        raise LogFindingError(code, seq, message, str(file.segment.path)) from finding

    def _is_torn(self, file: OpenFile, state: ChainState, seq: int) -> bool:
        """Whether a torn tail begins behind a state; also where a write or a repair has ended since it was read."""
        size = os.fstat(file.descriptor).st_size
        acknowledged = was_acknowledged(file.index, seq, state.offset, acknowledged_end(file.index, size))
        line = read_line(file.descriptor, state.offset)
        if line is None:
            return True
        try:
            check_content(line.offset, line.data, state)
        except BadRecordError:
            return is_torn(BadLine(line, seq, acknowledged, size), self.acknowledged_seq)
        return True

    def refusal(self, finding: LogFindingError) -> IntegrityError | NotALogError:
        """Return the error for callers: a damaged log, or no log at all."""
        if finding.seq == 1 and finding.code in _FOREIGN and not self.begins_like_a_log():
            return NotALogError(
                f"{self.layout.active} is not an Eventloom log: {finding.message}", remedy="name another file"
            )
        return damaged(self.layout.session_id, finding.seq, finding.message)

    def begins_like_a_log(self) -> bool:
        """Whether any of the first lines looks like a record: then this is a log, however damaged."""
        file = self.files.last()
        if file is None:
            return False
        with file:
            lines = itertools.islice(read_lines(file.descriptor, 0, min(file.size, _FIRST_BYTES)), _FIRST_LINES)
            return any(begins_a_record(line) for line in lines)

    def replay(self, from_seq: int = 1, to_seq: int | None = None) -> Iterator[Event]:
        """Yield events in order, each checked against its hash and its predecessor.

        Args:
            from_seq: First event wanted.
            to_seq: Last event wanted, None for the end of the log.

        Raises:
            LogDamagedError: After the events before it, when a record is bad or missing. A torn tail ends the replay
                quietly: it was never acknowledged.
            NotALogError: The file holds something else.
        """
        try:
            for read in self.steps(from_seq):
                if read.seq >= from_seq:
                    yield read.record.event(self.layout.session_id, read.seq)
                if to_seq is not None and read.seq >= to_seq:  # what lies behind the range is not looked at
                    return
        except LogFindingError as finding:
            if finding.code != "torn" or not self.begins_like_a_log():
                raise self.refusal(finding) from finding

    # ---- single events

    def read(self, seq: int) -> Event | None:
        """Return one event, checked against its hash, or None when the log has no sound event of that number."""
        return self.read_many((seq,)).get(seq)

    def read_many(self, seqs: Collection[int]) -> dict[int, Event]:
        """Return events by number as `read` does, each file opened once; what the log does not hold is left out."""
        found: dict[int, Event | None] = {}
        file: OpenFile | None = None
        with contextlib.ExitStack() as opened:
            for seq in sorted({seq for seq in seqs if seq >= 1}):
                found[seq] = self._read_in(file, seq) if file is not None and file.segment.may_hold(seq) else None
                if found[seq] is None:  # no file is open, or that one was closed by a rotation meanwhile
                    opened.close()
                    file = self.files.holding(seq)
                    found[seq] = self._read_in(opened.enter_context(file), seq) if file is not None else None
        return {seq: event for seq, event in found.items() if event is not None}

    def _read_in(self, file: OpenFile, seq: int) -> Event | None:
        entry = file.index.entry(seq) or self._walked.entry(file.inode, seq)
        if entry is not None and (found := indexed_record(file.descriptor, entry, seq)) is not None:
            return found[1].event(self.layout.session_id, seq)
        start, walk = _state_before(file, seq), partial(self.walk_file, file)
        read = self._walked.find(file.inode, seq, start, walk, LogFindingError)
        return None if read is None else read.record.event(self.layout.session_id, seq)

    def head(self) -> Head:
        """Return the end of the log: the last sound record.

        Raises:
            LogDamagedError: A record that the side index does not cover is bad.
            NotALogError: The file holds something else.
        """
        file = self.files.last()
        while file is not None:
            with file:
                found = self._head_of(file)
            if found is not None:
                return found
            before = file.segment.first_seq - 1  # nothing but a torn first record: the segment before ends the log
            file = self.files.holding(before) if before >= self.layout.first_seq else None
        return Head()

    def _head_of(self, file: OpenFile) -> Head | None:
        state, recorded_at = known_end(file.descriptor, file.index)
        if state.seq and state.offset == os.fstat(file.descriptor).st_size:
            newest_event = read_record(last_line(file.descriptor)).event(self.layout.session_id, state.seq)
            return Head(state.seq, state.digest or "", recorded_at, newest_event)
        start = state if state.seq else ChainState(file.segment.first_seq - 1, UNKNOWN, 0)
        newest: deque[Read] = deque(maxlen=1)
        try:
            newest.extend(self.walk_file(file, start))
        except LogFindingError as finding:
            if finding.code != "torn" or not self.begins_like_a_log():
                raise self.refusal(finding) from finding
        if not newest:
            indexed = self.read(state.seq) if state.seq else None
            return Head(state.seq, state.digest or "", recorded_at, indexed) if indexed else None
        last = newest[0]
        event = last.record.event(self.layout.session_id, last.seq)
        return Head(last.seq, last.digest, record_time(last.record), event)


def _state_before(file: OpenFile, seq: int) -> ChainState:
    """Return the state just before an event of this file, or the nearest earlier one that can be reached cheaply."""
    if seq > file.segment.first_seq:
        entry = file.index.entry(seq)
        if entry is not None and indexed_record(file.descriptor, entry, seq) is not None:
            return ChainState(seq - 1, UNKNOWN, entry.offset)
        state, _ = known_end(file.descriptor, file.index)
        if 0 < state.seq < seq:
            return state
    return ChainState() if file.segment.first_seq == 1 else ChainState(file.segment.first_seq - 1, UNKNOWN, 0)
