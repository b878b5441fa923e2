"""Reading the leaves of the tree from the logs: the hash of every raw line, checked against the chain as it is read."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from zaxy.errors import IntegrityError, ZaxyError
from zaxy.eventloom.continuation import DivergedError, stretches_after
from zaxy.eventloom.layout import LogLayout
from zaxy.eventloom.proof.history import History, Run
from zaxy.eventloom.proof.merkle import EMPTY_ROOT, HASH_BYTES, leaf_hashes, subtree_root
from zaxy.eventloom.reader import LogFindingError, LogReader
from zaxy.eventloom.records import BadRecordError
from zaxy.eventloom.scan import UNKNOWN, ChainState, read_line, walk
from zaxy.eventloom.tail import indexed_record
from zaxy.eventloom.verification import IntegrityReport, verify_log

_ROW_BYTES: Final = 65_536 * HASH_BYTES


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a session holds that no checkpoint has taken in.

    Attributes:
        run: The stretch of events, None when there is none.
        leaves: The hash of each one's raw line.
        problem: Why the session could not be read to its end, None when it could.
    """

    run: Run | None
    leaves: list[bytes]
    problem: ZaxyError | None = None


def gather_new(layout: LogLayout, reader: LogReader, last: Run | None) -> Gathered:
    """Read what follows the last event that a checkpoint holds.

    A bad record ends it: what stands before is taken in, and the problem told.

    Args:
        layout: The log's files.
        reader: Reads them.
        last: The session's last run, None when no checkpoint holds any of it.
    """
    seq, digest, place = (last.last_seq, last.digest, (last.inode, last.end)) if last is not None else (0, "", (0, 0))
    first, leaves = 0, list[bytes]()
    problem: ZaxyError | None = None
    try:
        for stretch, inode in stretches_after(reader, layout.session_id, (seq, digest), place, leaf_hashes):
            if not stretch.events:
                continue
            first = first or stretch.seq - stretch.events + 1
            leaves += stretch.hashes
            seq, digest, place = stretch.seq, stretch.digest or "", (inode, stretch.end)
    except DivergedError:
        problem = IntegrityError(
            f"its log does not hold event {seq} that the last checkpoint holds",
            remedy="see what is wrong: zaxy log verify",
        )
    except LogFindingError as finding:
        if finding.code != "torn" or not reader.begins_like_a_log():
            problem = reader.refusal(finding)
    return Gathered(Run(layout.session_id, first, seq, digest, *place) if leaves else None, leaves, problem)


@dataclass(frozen=True, slots=True)
class CheckedLog:
    """A whole session's log, read and checked.

    Attributes:
        report: How far its chain is good.
        first_seq: Number of its first event.
        leaves: The hashes of its raw lines, one behind the other.
    """

    report: IntegrityReport
    first_seq: int
    leaves: bytearray

    def has(self, first_seq: int, last_seq: int) -> bool:
        """Whether it holds a stretch of events."""
        return self.first_seq <= first_seq and last_seq < self.first_seq + len(self.leaves) // HASH_BYTES

    def hashes(self, first_seq: int, last_seq: int) -> bytes:
        """Return the leaves of a stretch of events."""
        start = (first_seq - self.first_seq) * HASH_BYTES
        return bytes(self.leaves[start : start + (last_seq - first_seq + 1) * HASH_BYTES])


def check_whole(layout: LogLayout, reader: LogReader) -> CheckedLog:
    """Check a whole log and hash its lines. Never raises for what it finds: see the report."""
    leaves = bytearray()
    report = verify_log(layout, reader, leaf_hashes, lambda hashes: leaves.extend(b"".join(hashes)))
    return CheckedLog(report, report.last_seq - report.total_events + 1, leaves)


def tree_leaves(history: History, logs: Mapping[str, CheckedLog]) -> bytearray | None:
    """Return the leaves of the tree as the logs hold them, one behind the other; None when some of them are missing."""
    leaves = bytearray(history.size * HASH_BYTES)
    for piece in history.leaves():
        run = piece.run
        log = logs.get(run.session_id)
        if log is None or not log.has(run.first_seq, run.last_seq):
            return None
        at = piece.leaf * HASH_BYTES
        leaves[at : at + run.events * HASH_BYTES] = log.hashes(run.first_seq, run.last_seq)
    return leaves


def split_hashes(joined: bytes | bytearray) -> list[bytes]:
    """Return hashes that stand one behind the other as a list."""
    whole = bytes(joined)
    return [whole[at : at + HASH_BYTES] for at in range(0, len(whole), HASH_BYTES)]


def root_of_leaves(leaves: bytes | bytearray, size: int) -> bytes:
    """Return the root of the tree over the first ``size`` of these leaves.

    Row by row of 65,536: their roots stand for them in the tree above, whose last one may be smaller.
    """
    end = size * HASH_BYTES
    rows = [
        subtree_root(split_hashes(leaves[start : min(start + _ROW_BYTES, end)])) for start in range(0, end, _ROW_BYTES)
    ]
    return subtree_root(rows) if rows else EMPTY_ROOT


def raw_line(reader: LogReader, seq: int) -> bytes | None:
    """Return the raw bytes of an event's line, without its newline, or None when the log has no sound one."""
    file = reader.files.holding(seq)
    if file is None:
        return None
    with file:
        entry = file.index.entry(seq)
        line = read_line(file.descriptor, entry.offset) if entry is not None else None
        if line is not None and entry is not None and indexed_record(file.descriptor, entry, seq) is not None:
            return line.data
        with contextlib.suppress(BadRecordError):
            for step in walk(file.descriptor, ChainState(file.segment.first_seq - 1, UNKNOWN, 0)):
                if step.seq == seq:
                    return step.line
    return None
