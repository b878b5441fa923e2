"""Finding the end of a log before it is written to, and repairing what a crash left there.

A torn tail (`torn` says what that is) is saved to `quarantine/` and cut off; a complete record that merely lacks its
newline (other writers leave such files) is kept. Any other bad line is corruption, and nothing is written to the log
any more. An append looks at the tail and at what the index does not know; damage further back is found by whatever
reads it, which leaves a mark that every later append obeys.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zaxy.clock import parse_time
from zaxy.errors import InvalidInputError, NotALogError
from zaxy.eventloom.event import SOURCE_KEY
from zaxy.eventloom.index import Entry, LogIdentity, SideIndex, digest_key, pack
from zaxy.eventloom.layout import LogLayout
from zaxy.eventloom.records import BadRecordError, Record, check_record
from zaxy.eventloom.scan import (
    MAX_LINE_BYTES,
    UNKNOWN,
    ChainState,
    Line,
    Step,
    begins_a_record,
    check_content,
    check_step,
    damaged,
    read_line,
    read_lines,
    walk,
)
from zaxy.eventloom.torn import BadLine, CheckpointedSeq, acknowledged_end, is_torn, was_acknowledged
from zaxy.files.durable import (
    append_durably,
    cut,
    make_directories,
    read_at,
    rename_beside,
    replace_file,
    sync,
    sync_directory,
)

logger = logging.getLogger("zaxy.eventloom")

_FLUSH_ENTRIES: Final = 65_536
_QUARANTINE_NEW: Final = ".torn"
_QUARANTINE_KEPT: Final = ".kept"


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a log.

    Attributes:
        state: The last record's number and digest, and where the next line goes.
        identity: The file's inode and first sequence number.
        recorded_at: When the last record was recorded (microseconds), 0 in an empty log.
    """

    state: ChainState
    identity: LogIdentity
    recorded_at: int


def record_time(record: Record) -> int:
    """Return when a record was recorded, in microseconds; 0 where its timestamp cannot be read."""
    try:
        return parse_time(record.members["timestamp"])
    except InvalidInputError:
        return 0


def entry_of(step: Step) -> Entry:
    """Return what the side index keeps of a record."""
    key = step.record.members["payload"].get(SOURCE_KEY)
    return Entry(step.offset, record_time(step.record), digest_key(key if isinstance(key, str) else None))


def closed_state(layout: LogLayout) -> tuple[ChainState, int]:
    """Return the chain's state at the end of the closed segments, and when its last event was recorded.

    Raises:
        LogDamagedError: The last closed segment does not end in a sound record.
    """
    segments = layout.closed_segments()
    if not segments:
        return ChainState(), 0
    last = segments[-1]
    seq = last.last_seq or last.first_seq
    descriptor = os.open(last.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        record = check_record(last_line(descriptor))
    except BadRecordError as error:
        raise damaged(layout.session_id, seq, error.message) from error
    finally:
        os.close(descriptor)
    if record.seq not in (None, seq):
        raise damaged(layout.session_id, seq, f"event {seq} is missing: the closed segment ends early")
    return ChainState(seq, record.digest, 0), record_time(record)


def last_line(descriptor: int) -> bytes:
    """Return the last line of a file without its newline; empty for an empty file."""
    end = os.fstat(descriptor).st_size
    block = 65_536
    while True:
        start = max(0, end - block)
        data = os.pread(descriptor, end - start, start).removesuffix(b"\n")
        at = data.rfind(b"\n")
        if at >= 0 or start == 0:
            return data[at + 1 :]
        block *= 4


def known_end(descriptor: int, index: SideIndex) -> tuple[ChainState, int]:
    """Return the chain's state at the last record that the index knows, and when that was recorded.

    The record itself is read and checked; an index that does not fit counts as empty.
    """
    seq = index.identity.first_seq + len(index) - 1
    entry = index.entry(seq)
    if entry is None:
        return ChainState(), 0
    record = indexed_record(descriptor, entry, seq)
    if record is None or (entry.offset == 0) != (seq == index.identity.first_seq):
        return ChainState(), 0
    return ChainState(seq, record[1].digest, entry.offset + record[0] + 1), record_time(record[1])


def indexed_record(descriptor: int, entry: Entry, seq: int) -> tuple[int, Record] | None:
    """Return the length of the line at an indexed place and the record in it, or None if it is not event ``seq``."""
    if entry.offset >= os.fstat(descriptor).st_size:  # an index may hold anything
        return None
    line = read_line(descriptor, entry.offset)
    if line is None or not line.complete:
        return None
    try:
        record = check_record(line.data)
    except BadRecordError:
        return None
    return (len(line.data), record) if record.seq in (None, seq) else None


def entries_of(descriptor: int, index: SideIndex) -> Iterator[Entry]:
    """Yield the entry of every sound record of a file: from the side index as far as that is sound, else from it."""
    state, _ = known_end(descriptor, index)
    known = 0
    if state.seq:
        for entry in index.entries():
            known += 1
            yield entry
    if not state.seq or known < len(index):  # the index has a bad entry: what follows it comes from the file
        state = ChainState(index.identity.first_seq - 1, UNKNOWN, 0)
        skipped = known
    else:
        skipped = 0
    with contextlib.suppress(BadRecordError):  # what follows a bad record is not tied to the chain
        for position, step in enumerate(walk(descriptor, state)):
            if position >= skipped:
                yield entry_of(step)


def find_tail(layout: LogLayout, descriptor: int, acknowledged_seq: CheckpointedSeq | None = None) -> Tail:
    """Return the end of the active file, repaired where a crash tore it. The caller holds the log's lock.

    Records that the side index does not know yet are checked, synced and added to it.

    Args:
        layout: Where the log's files are.
        descriptor: The active file, open for reading and appending.
        acknowledged_seq: Asked before anything is cut: an event up to that number is never cut. What it raises goes
            to the caller, and the log is left as it is.

    Raises:
        LogDamagedError: A record is bad and is no torn tail, or it was acknowledged.
        NotALogError: The file holds something else.
        WriteFailedError: The tail needs repair and the file cannot be written.
    """
    before, recorded_at = closed_state(layout)
    status = os.fstat(descriptor)
    first_seq = before.seq + 1 if status.st_size == 0 else _first_seq(descriptor, before)
    identity = LogIdentity(status.st_ino, first_seq)
    with contextlib.closing(SideIndex(layout.index(first_seq), identity)) as index:
        state, known_recorded_at = known_end(descriptor, index)
        if state.seq:
            start = Tail(state, identity, known_recorded_at)
        else:
            start = Tail(ChainState(before.seq, before.digest, 0), identity, recorded_at)
        return _catch_up(_Repair(layout, descriptor, index, acknowledged_seq), start, fresh=not state.seq)


def _first_seq(descriptor: int, before: ChainState) -> int:
    line = read_line(descriptor, 0)
    try:
        return check_content(0, line.data if line else b"", before).seq
    except BadRecordError:
        return before.seq + 1


@dataclass(frozen=True, slots=True)
class _Repair:
    """What it takes to bring a log's tail in order."""

    layout: LogLayout
    descriptor: int
    index: SideIndex
    acknowledged_seq: CheckpointedSeq | None


def _catch_up(repair: _Repair, tail: Tail, *, fresh: bool) -> Tail:
    """Take what follows a state into the index; ``fresh``: the index is written anew, once all is sound.

    The index proves what was acknowledged. What a killed writer left may not be synced, nor the names of a file that
    the index does not know and of its folder: all of that is, before anything is indexed.
    """
    state, recorded_at = tail.state, tail.recorded_at
    entries: list[Entry] = []
    for line in read_lines(repair.descriptor, state.offset):
        try:
            step = check_step(line, state)
        except BadRecordError as finding:
            kept = _mend(repair, line, state, finding)
            if kept is None:
                break
            step = kept
        entries.append(entry_of(step))
        recorded_at = entries[-1].recorded_at
        state = ChainState(step.seq, step.record.digest, step.offset + len(step.line) + 1)
        if len(entries) >= _FLUSH_ENTRIES and not fresh:
            sync(repair.descriptor)
            _write_index(repair.index, entries)
            entries = []
    if entries:
        sync(repair.descriptor)
        if fresh:
            sync_directory(repair.layout.folder)
            sync_directory(repair.layout.folder.parent)
    if entries or (fresh and len(repair.index)):  # an index that does not fit must not outlive an empty file
        _write_index(repair.index, entries, fresh=fresh)
    return Tail(state, tail.identity, recorded_at)


def _write_index(index: SideIndex, entries: list[Entry], *, fresh: bool = False) -> None:
    try:
        if fresh:
            index.rebuild_from(pack(entries))
        else:
            index.extend(entries)
    except OSError as error:
        logger.warning("the side index %s could not be written (%s); reads fall back to scanning", index.path, error)


def _mend(repair: _Repair, line: Line, state: ChainState, finding: BadRecordError) -> Step | None:
    """Deal with a bad line: complete it, cut it off with all that follows, or raise when it is not a torn tail.

    Returns:
        The record, when only its newline was missing and was added; None when the line was cut off.
    """
    layout, descriptor = repair.layout, repair.descriptor
    size = os.fstat(descriptor).st_size
    if not line.complete and len(line.data) <= MAX_LINE_BYTES:
        with contextlib.suppress(BadRecordError):
            step = check_content(line.offset, line.data, state)
            append_durably(descriptor, b"\n", size=size, path=layout.active, synced=True)
            return step
    seq = max(state.seq + 1, repair.index.identity.first_seq)
    if state.seq == 0 and not begins_a_record(line):
        raise _not_a_log(layout.active)
    acknowledged = was_acknowledged(repair.index, seq, line.offset, acknowledged_end(repair.index, size))
    if not is_torn(BadLine(line, seq, acknowledged, size), repair.acknowledged_seq):
        known = f"event {seq} was acknowledged and is not what was sealed"
        raise damaged(layout.session_id, seq, finding.message if line.complete else known)
    cut_off = read_at(descriptor, line.offset, size - line.offset)
    save_torn(layout, cut_off)
    cut(descriptor, line.offset, path=layout.active)
    logger.warning("a torn tail of %d bytes in %s was moved to quarantine", len(cut_off), layout.active)
    return None


def _not_a_log(path: Path) -> NotALogError:
    return NotALogError(f"{path} is not an Eventloom log", remedy="name another file; this one was left as it is")


def save_torn(layout: LogLayout, torn: bytes) -> None:
    """Keep the bytes of a torn tail before they are cut off; keeping them twice is the same as once."""
    make_directories(layout.quarantine)
    sync_directory(layout.folder)  # a process that was killed may have made it
    digest = hashlib.sha256(torn).hexdigest()
    replace_file(layout.quarantine / f"{layout.session_id}.{digest}{_QUARANTINE_NEW}", torn)


def untold_repairs(layout: LogLayout) -> list[Path]:
    """Return the quarantined tails of this session that no ``log.recovered`` event tells of yet."""
    try:
        names = os.listdir(layout.quarantine)
    except (FileNotFoundError, NotADirectoryError):
        return []
    prefix = f"{layout.session_id}."
    digest_length = 64
    return sorted(
        layout.quarantine / name
        for name in names
        if name.startswith(prefix)
        and name.endswith(_QUARANTINE_NEW)
        and len(name) == len(prefix) + digest_length + len(_QUARANTINE_NEW)
    )


def mark_told(path: Path) -> None:
    """Note that the log tells of this quarantined tail; where that fails it is told once more."""
    try:
        rename_beside(path, path.with_suffix(_QUARANTINE_KEPT).name)
    except OSError as error:
        logger.warning("%s could not be renamed (%s); the log will tell of it again", path, error)
