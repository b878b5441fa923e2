"""Checking a whole log: every line, every hash, the chain between them, across all segments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from zaxy.eventloom.layout import LogLayout
from zaxy.eventloom.reader import LogFindingError, LogReader

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


def verify_log(layout: LogLayout, reader: LogReader) -> IntegrityReport:
    """Check the files of one session, in order, line by line.

    A closed segment that is looked at by itself may begin with any event; a log begins with event 1.

    Args:
        layout: Where its files are.
        reader: Reads them.

    Returns:
        The report; the check stops at the first bad record, since nothing after it is tied to the chain.
    """
    session_id, total = layout.session_id, 0
    head: str | None = None
    try:
        for stretch in reader.stretches():
            total += stretch.events
            head = stretch.digest if total else None
    except LogFindingError as error:
        return _finding(reader, session_id, total, head, error)
    return IntegrityReport(True, total, session_id=session_id, head=head)


def _finding(
    reader: LogReader, session_id: str, total: int, head: str | None, error: LogFindingError
) -> IntegrityReport:
    if error.code == "torn" and (total or reader.begins_like_a_log()):
        message = "an unfinished write follows the last event; the next append sets it aside"
        finding = Finding("torn_tail", session_id, error.seq, message, error.path)
        return IntegrityReport(True, total, session_id=session_id, head=head, findings=(finding,))
    code = error.code
    if total == 0 and not reader.begins_like_a_log():
        code = "not_a_log"
    elif total == 0 and code == "missing":
        code = "missing_start"
    finding = Finding(code, session_id, error.seq, error.message, error.path)
    return IntegrityReport(
        False, total, finding.seq, finding.message, session_id=session_id, head=head, findings=(finding,)
    )
