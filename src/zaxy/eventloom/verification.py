"""Checking a whole log: every line, every hash, the chain between them, across all segments."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from zaxy.eventloom.layout import LogLayout, Segment
from zaxy.eventloom.records import BadRecordError
from zaxy.eventloom.scan import ChainState, unterminated, walk

CHAIN_BLIND_SPOTS: Final = (
    "a hash chain alone does not see a cut tail, a whole rewritten chain, a deleted session or a restored older copy"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a log.

    Attributes:
        code: Short name, such as ``hash_mismatch``.
        session_id: Which session.
        seq: The first event that is affected.
        message: The sentence.
        path: The file it stands in.
    """

    code: str
    session_id: str
    seq: int
    message: str
    path: str


@dataclass(frozen=True, slots=True)
class IntegrityReport:
    """How far a log is good.

    Attributes:
        ok: Whether everything is.
        total_events: How many good events were read, from the first on.
        broken_at_seq: The first bad event, or None.
        broken_reason: What is wrong with it, or None.
        session_id: Which session.
        head: The digest of the last good event, or None in an empty log.
        level: What the check rests on; ``chain`` needs no key and no second place.
        blind_spots: What that level cannot see.
        findings: Everything found, the first bad event first. ``torn_tail`` (an unfinished write that was never
            acknowledged) is told here and does not make the log bad.
    """

    ok: bool
    total_events: int
    broken_at_seq: int | None = None
    broken_reason: str | None = None
    session_id: str = ""
    head: str | None = None
    level: str = "chain"
    blind_spots: str = CHAIN_BLIND_SPOTS
    findings: tuple[Finding, ...] = field(default=())


def segments_of(layout: LogLayout) -> list[Segment]:
    """Return the files of a session in order: closed segments, then the active file where it exists."""
    closed = layout.closed_segments()
    active = [Segment(layout.active, closed[-1].last_seq or 0)] if closed else [Segment(layout.active, 1)]
    return closed + (active if layout.active.is_file() else [])


def verify_files(session_id: str, paths: list[Path], *, from_start: bool = True) -> IntegrityReport:
    """Check the files of one session, in order, line by line.

    Args:
        session_id: How findings name the session.
        paths: Its files, oldest first.
        from_start: Whether the first file must begin with event 1.

    Returns:
        The report; the check stops at the first bad record, since nothing after it is tied to the chain.
    """
    state, total = ChainState(), 0
    for path in paths:
        offset = 0
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            for step in walk(descriptor, ChainState(state.seq, state.digest, 0)):
                if total == 0 and from_start and step.seq != 1:
                    message = f"events 1 to {step.seq - 1} are missing"
                    return _broken(session_id, total, Finding("missing_start", session_id, 1, message, str(path)), None)
                total += 1
                state = ChainState(step.seq, step.record.digest)
                offset = step.offset + len(step.line) + 1
        except BadRecordError as error:
            if error.finding == "torn" and path == paths[-1]:
                return _torn(session_id, total, ChainState(state.seq, state.digest, offset), path)
            finding = Finding(error.finding, session_id, state.seq + 1, error.message, str(path))
            return _broken(session_id, total, finding, state.digest)
        finally:
            os.close(descriptor)
    return IntegrityReport(True, total, session_id=session_id, head=state.digest)


def _torn(session_id: str, total: int, before: ChainState, path: Path) -> IntegrityReport:
    """Return the report of a log whose last line has no newline: a whole record counts, a torn one does not."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        last = unterminated(descriptor, before)
        size = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    if last is not None:
        return IntegrityReport(True, total + 1, session_id=session_id, head=last.record.digest)
    message = (
        f"{size - before.offset} bytes of an unfinished write follow the last event; the next append sets them aside"
    )
    if before.seq == 0 and total == 0:
        return _broken(
            session_id, 0, Finding("not_a_log", session_id, 1, "the file holds no whole record", str(path)), None
        )
    finding = Finding("torn_tail", session_id, before.seq + 1, message, str(path))
    return IntegrityReport(True, total, session_id=session_id, head=before.digest, findings=(finding,))


def _broken(session_id: str, total: int, finding: Finding, head: str | None) -> IntegrityReport:
    return IntegrityReport(
        False, total, finding.seq, finding.message, session_id=session_id, head=head, findings=(finding,)
    )
