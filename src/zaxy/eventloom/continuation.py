"""Going on reading a log where a projection stands, if it still is the log that was projected."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from zaxy.eventloom.event import Event
from zaxy.eventloom.files import OpenFile
from zaxy.eventloom.reader import FoundT, LogFindingError, LogReader
from zaxy.eventloom.records import BadRecordError, check_record
from zaxy.eventloom.scan import UNKNOWN, ChainState, LineHash, Stretch
from zaxy.eventloom.tail import indexed_record


class DivergedError(Exception):
    """Raised when a log does not continue from where a projection stands: cut, rewritten, or another log.

    Args:
        session_id: Which session.
    """

    def __init__(self, session_id: str) -> None:
        super().__init__(f"the log of session {session_id} is not the one that was projected")
        self.session_id = session_id


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


def read_after(reader: LogReader, session_id: str, seq: int, digest: str, place: tuple[int, int]) -> Iterator[Located]:
    """Yield what follows an event that a projection has applied.

    Args:
        reader: Reads the log.
        session_id: Its session.
        seq: That event's number; 0 to begin at the start.
        digest: Its digest: the first event that is yielded must name it.
        place: Inode of the file that held it, and the offset just behind it.

    Raises:
        DivergedError: The log does not hold that event any more.
        LogDamagedError: A record is bad; what was yielded before it is good.
        NotALogError: The file holds something else.
    """

    try:
        for read in _after(reader, session_id, (seq, digest), place, reader.walk_file):
            event = read.record.event(session_id, read.seq)
            yield Located(event, read.end, read.first_seq, read.inode, read.length)
    except LogFindingError as finding:
        if finding.code != "torn" or not reader.begins_like_a_log():
            raise reader.refusal(finding) from finding


def stretches_after(
    reader: LogReader, session_id: str, event: tuple[int, str], place: tuple[int, int], hash_lines: LineHash
) -> Iterator[tuple[Stretch, int]]:
    """Check what follows an event, block by block, and hash its raw lines.

    Args:
        reader: Reads the log.
        session_id: Its session.
        event: That event's number and digest; number 0 to begin at the start.
        place: Inode of the file that held it, and the offset just behind it.
        hash_lines: Makes the hash of a raw line.

    Yields:
        Each stretch, with the inode of its file.

    Raises:
        DivergedError: The log does not hold that event any more.
        LogFindingError: A record is bad; what was yielded before it is good.
    """

    def skim_file(file: OpenFile, state: ChainState) -> Iterator[_Placed]:
        for stretch in reader.skim_file(file, state, hash_lines):
            yield _Placed(stretch.seq, stretch.digest, stretch, file.inode)

    for placed in _after(reader, session_id, event, place, skim_file):
        yield placed.stretch, placed.inode


class _Placed(NamedTuple):
    """A stretch and the file that holds it."""

    seq: int
    digest: str | None
    stretch: Stretch
    inode: int


def _after(
    reader: LogReader,
    session_id: str,
    event: tuple[int, str],
    place: tuple[int, int],
    read_file: Callable[[OpenFile, ChainState], Iterator[FoundT]],
) -> Iterator[FoundT]:
    """Yield what ``read_file`` finds behind an event."""
    seq, digest = event

    def behind(file: OpenFile) -> ChainState:
        if not seq:
            return ChainState() if file.segment.first_seq == 1 else ChainState(file.segment.first_seq - 1, UNKNOWN, 0)
        return ChainState(seq, digest, _offset_behind(reader, file, session_id, event, place))

    if seq:
        file = reader.files.holding(seq)
        if file is None:
            raise DivergedError(session_id)
        file.__exit__(None, None, None)
    return reader.walk_files(seq or 1, behind, read_file)


def _offset_behind(
    reader: LogReader, file: OpenFile, session_id: str, event: tuple[int, str], place: tuple[int, int]
) -> int:
    seq, digest = event
    inode, offset = place
    if inode == file.inode and offset <= file.size:
        with contextlib.suppress(BadRecordError):
            if check_record(_line_before(file.descriptor, offset)).digest == digest:
                return offset
    entry = file.index.entry(seq)
    found = indexed_record(file.descriptor, entry, seq) if entry is not None else None
    if found is not None and entry is not None and found[1].digest == digest:
        return entry.offset + found[0] + 1
    with contextlib.suppress(LogFindingError):
        for read in reader.walk_file(file, ChainState(file.segment.first_seq - 1, UNKNOWN, 0)):
            if read.seq == seq and read.digest == digest:
                return read.end
    raise DivergedError(session_id)


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
