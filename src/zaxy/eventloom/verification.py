"""Checking a whole log: every line, every hash, the chain between them, across all segments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from zaxy.eventloom.layout import LogLayout
from zaxy.eventloom.reader import LogFindingError, LogReader
from zaxy.eventloom.scan import LineHash

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
        last_seq: The number of the last good event, 0 in an empty log.
        level: What the check rests on: ``chain`` needs no key and no second place; ``Eventloom.verify`` knows more.
        covered_to: The last event for which that level holds; what follows rests on the chain alone.
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
    last_seq: int = 0
    level: str = "chain"
    covered_to: int = 0
    blind_spots: str = CHAIN_BLIND_SPOTS
    findings: tuple[Finding, ...] = field(default=())


def verify_log(
    layout: LogLayout,
    reader: LogReader,
    hash_lines: LineHash | None = None,
    take: Callable[[list[bytes]], object] | None = None,
) -> IntegrityReport:
    """Check the files of one session, in order, line by line.

    A closed segment that is looked at by itself may begin with any event; a log begins with event 1.

    Args:
        layout: Where its files are.
        reader: Reads them.
        hash_lines: Also makes a hash of each sound raw line.
        take: Is given these hashes, in order.

    Returns:
        The report; the check stops at the first bad record, since nothing after it is tied to the chain.
    """
    reached = IntegrityReport(True, 0, session_id=layout.session_id)
    total = 0
    try:
        for stretch in reader.stretches(hash_lines):
            total += stretch.events
            if take is not None:
                take(stretch.hashes)
            if total:
                reached = replace(
                    reached, total_events=total, head=stretch.digest, last_seq=stretch.seq, covered_to=stretch.seq
                )
    except LogFindingError as error:
        return _finding(reader, reached, error)
    return reached


def _finding(reader: LogReader, reached: IntegrityReport, error: LogFindingError) -> IntegrityReport:
    total, session_id = reached.total_events, reached.session_id
    if error.code == "torn" and (total or reader.begins_like_a_log()):
        message = "an unfinished write follows the last event; the next append sets it aside"
        return replace(reached, findings=(Finding("torn_tail", session_id, error.seq, message, error.path),))
    code = error.code
    if total == 0 and not reader.begins_like_a_log():
        code = "not_a_log"
    elif total == 0 and code == "missing":
        code = "missing_start"
    finding = Finding(code, session_id, error.seq, error.message, error.path)
    return replace(reached, ok=False, broken_at_seq=finding.seq, broken_reason=finding.message, findings=(finding,))
