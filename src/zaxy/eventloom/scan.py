"""Walking through a log file record by record, checking each one and the chain between them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from zaxy.errors import LogDamagedError
from zaxy.eventloom.records import BadRecordError, Record, read_record, sound_link

UNKNOWN: Final = "unknown"
"""Digest of a `ChainState` that was reached by a jump: the next record's link is not checked."""

MAX_LINE_BYTES: Final = 64 * 1024 * 1024
"""A longer line is a finding: it bounds the memory that a hostile file can take."""

_BLOCK_BYTES: Final = 1024 * 1024
_FIRST_LINE_BYTES: Final = 2_048
_LAST_SEQ: Final = 10**18 - 1
_SECTOR_BYTES: Final = 512
"""The least that any disk loses in one piece."""


@dataclass(frozen=True, slots=True)
class ChainState:
    """Where a walk stands: what the next record must follow.

    Attributes:
        seq: The last record's sequence number, 0 before the first.
        digest: Its digest, None before the first, `UNKNOWN` after a jump.
        offset: Byte offset of the next line.
    """

    seq: int = 0
    digest: str | None = None
    offset: int = 0


class Line(NamedTuple):
    """One line of a log: where it begins, its bytes without the newline, and whether the newline was there."""

    offset: int
    data: bytes
    complete: bool


class Step(NamedTuple):
    """One good record of a walk: its place, its bytes and what is in it."""

    seq: int
    offset: int
    line: bytes
    record: Record


def read_lines(descriptor: int, offset: int, end: int | None = None) -> Iterator[Line]:
    """Yield the lines of a file from ``offset`` up to ``end`` (the file's size when it is None).

    A line longer than `MAX_LINE_BYTES` is cut there and marked incomplete, and ends the walk.
    """
    pending = b""
    start = offset
    while end is None or offset < end:
        block = os.pread(descriptor, _BLOCK_BYTES if end is None else min(_BLOCK_BYTES, end - offset), offset)
        if not block:
            break
        offset += len(block)
        parts = (pending + block if pending else block).split(b"\n")
        pending = parts.pop()
        for part in parts:
            yield Line(start, part, complete=True)
            start += len(part) + 1
        if len(pending) > MAX_LINE_BYTES:
            yield Line(start, pending, complete=False)
            return
    if pending:
        yield Line(start, pending, complete=False)


def read_line(descriptor: int, offset: int) -> Line | None:
    """Return the one line that begins at ``offset``, or None at the end of the file."""
    data, block = b"", _FIRST_LINE_BYTES
    while True:
        part = os.pread(descriptor, block, offset + len(data))
        end = part.find(b"\n")
        if end >= 0:
            return Line(offset, data + part[:end], complete=True)
        data += part
        if not part or len(data) > MAX_LINE_BYTES:
            return Line(offset, data, complete=False) if data else None
        block = min(block * 4, _BLOCK_BYTES)


def check_step(line: Line, before: ChainState) -> Step:
    """Return the record in ``line`` if it is sound and follows ``before``.

    Raises:
        BadRecordError: It is not; the finding says which rule it breaks.
    """
    if not line.complete:
        raise BadRecordError("torn", "the last line has no newline")
    return check_content(line.offset, line.data, before)


def check_content(offset: int, data: bytes, before: ChainState) -> Step:
    """As `check_step`, for bytes whose newline does not matter."""
    return _checked(offset, data, read_record(data), before)


def _checked(offset: int, data: bytes, record: Record, before: ChainState) -> Step:
    seq = before.seq + 1 if record.seq is None else record.seq
    if record.computed != record.digest:
        raise BadRecordError("hash_mismatch", f"event {seq} does not have the hash that it names")
    if not 1 <= seq <= _LAST_SEQ:
        raise BadRecordError("wrong_seq", "the number of the event is out of range")
    starts_file = before.seq == 0 and before.digest is None
    linked = before.digest in (record.previous, UNKNOWN)
    if not linked and not (starts_file and seq > 1 and record.previous is not None):
        raise BadRecordError("broken_chain", f"event {seq} does not name the hash of the event before it")
    if seq != before.seq + 1 and not (starts_file and record.previous is not None):
        raise BadRecordError("wrong_seq", f"event {before.seq + 1} is missing: event {seq} stands in its place")
    return Step(seq, offset, data, record)


def walk(descriptor: int, before: ChainState, end: int | None = None) -> Iterator[Step]:
    """Yield the sound records that follow ``before``; stop at the end of the file.

    The first record of a file may have any number when it names a predecessor: the file then is a later segment.

    Raises:
        BadRecordError: The next record is not sound; what was yielded before it is.
    """
    seq, digest = before.seq, before.digest
    for offset, data, complete in read_lines(descriptor, before.offset, end):
        if not complete:
            raise BadRecordError("torn", "the last line has no newline")
        record = read_record(data)
        if record.seq == seq + 1 and record.previous == digest and record.computed == record.digest:
            seq, digest = record.seq, record.digest
            yield Step(seq, offset, data, record)
        else:  # unusual: the first record of a later file, one without a number, or one that is bad
            step = _checked(offset, data, record, ChainState(seq, digest, offset))
            seq, digest = step.seq, record.digest
            yield step


class Stretch(NamedTuple):
    """Some sound records in a row: how many, where the chain stands behind them, and a hash of each one's raw line."""

    events: int
    seq: int
    digest: str | None
    end: int
    hashes: list[bytes]


LineHash = Callable[[Sequence[bytes]], list[bytes]]
"""What `skim` makes of raw lines, without their newlines: a hash of each."""


def skim(descriptor: int, before: ChainState, hash_lines: LineHash | None = None) -> Iterator[Stretch]:
    """Check the records that follow ``before``, as `walk` does, and yield where the chain stands after each block.

    Args:
        descriptor: The open log file.
        before: What the first of them must follow.
        hash_lines: Also makes a hash of each line's bytes; None makes none.

    Raises:
        BadRecordError: The next record is not sound; what was yielded before it is.
    """
    count, seq, digest, offset = 0, before.seq, before.digest, before.offset
    position, pending = offset, b""
    lines: list[bytes] = []
    try:
        while block := os.pread(descriptor, _BLOCK_BYTES, position):
            position += len(block)
            lines = (pending + block).split(b"\n")
            pending = lines.pop()
            for line in lines:
                link = sound_link(line, seq + 1, digest)
                if link is None:  # the long way decides, and says what is wrong
                    step = _checked(offset, line, read_record(line), ChainState(seq, digest))
                    seq, digest = step.seq, step.record.digest
                else:
                    seq, digest = seq + 1, link
                count += 1
            offset = position - len(pending)
            yield Stretch(count, seq, digest, offset, hash_lines(lines) if hash_lines is not None else [])
            count, lines = 0, []
            if len(pending) > MAX_LINE_BYTES:
                break
        if pending:
            raise BadRecordError("torn", "the last line has no newline")
    except BadRecordError:
        sound = lines[:count]
        offset += sum(len(line) + 1 for line in sound)
        yield Stretch(count, seq, digest, offset, hash_lines(sound) if hash_lines is not None else [])
        raise


def unterminated(descriptor: int, before: ChainState) -> Step | None:
    """Return the last record of a file when it is whole and only its newline is missing, else None.

    Other writers leave such files; here it is a record like any other.
    """
    line = read_line(descriptor, before.offset)
    if line is None or line.complete:
        return None
    try:
        return check_content(line.offset, line.data, before)
    except BadRecordError:
        return None


def begins_a_record(line: Line) -> bool:
    """Return whether a file's first line may be an unfinished write of its first record: its beginning, or lost pages.

    What lacks its newline may end anywhere, also inside the first words. A page is lost whole: what follows it goes on
    at a multiple of a disk's sector, and ends as a record does.
    """
    starts = (b'{"id":"', b'{"seq":')
    if line.data.startswith(starts) or (not line.complete and any(start.startswith(line.data) for start in starts)):
        return bool(line.data)
    rest = line.data.lstrip(b"\x00")
    lost = len(line.data) - len(rest)
    return lost > 0 and (not rest or (lost % _SECTOR_BYTES == 0 and (not line.complete or rest.endswith(b"}"))))


def damaged(session_id: str, seq: int, message: str) -> LogDamagedError:
    """Return the error that says at which event a session's log is bad and what to do."""
    return LogDamagedError(
        f"session {session_id} is damaged at event {seq}: {message}; events before it are good",
        session_id=session_id,
        seq=seq,
        remedy="the session is read-only now; restore its file from a backup, then run: zaxy status",
    )
