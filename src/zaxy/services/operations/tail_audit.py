"""Checking a large loom in a moment: what the newest checkpoint does not hold is read, what it holds rests on it.

A log is gone on with from the event that the checkpoint ends with, which must be in its place and have its hash. What
lies before that is not read again, and the report says so: only `Eventloom.verify` sees what was changed there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from zaxy.errors import IntegrityError, KeyUnavailableError
from zaxy.eventloom.continuation import DivergedError, stretches_after
from zaxy.eventloom.layout import LogLayout
from zaxy.eventloom.loom import Eventloom
from zaxy.eventloom.proof.audit import Audit, Evidence
from zaxy.eventloom.proof.gathering import CheckedLog, check_whole
from zaxy.eventloom.proof.history import Run, SignedHead
from zaxy.eventloom.proof.merkle import leaf_hashes
from zaxy.eventloom.proof.notary import CHECKPOINTS
from zaxy.eventloom.proof.report import Level, LoomReport
from zaxy.eventloom.proof.tree import TreeFiles
from zaxy.eventloom.proof.witnessing import Witnessing
from zaxy.eventloom.reader import LogFindingError, LogReader
from zaxy.eventloom.verification import IntegrityReport

SMALL_LOOM_BYTES: Final = 16 * 1024 * 1024
"""A loom of less is read whole: that takes a fraction of a second."""

Progress = Callable[[int, int | None], None]


class _TailAudit(Audit):
    """An audit that takes what the newest checkpoint holds for good."""

    def _check_log(self, layout: LogLayout, run: Run | None) -> CheckedLog:
        return _check_tail(layout, run)

    def _check_root(self, head: SignedHead, logs: Mapping[str, CheckedLog]) -> bool:  # noqa: ARG002 -- as the other
        return all(log.report.ok for log in logs.values())


def _check_tail(layout: LogLayout, run: Run | None) -> CheckedLog:
    """Read what follows a run; a log that does not go on from it is read whole, which says what is wrong and where."""
    reader = LogReader(layout)
    if run is None:
        return check_whole(layout, reader)
    seq, digest = run.last_seq, run.digest
    try:
        for stretch, _ in stretches_after(reader, run.session_id, (seq, digest), (run.inode, run.end), leaf_hashes):
            if stretch.events:
                seq, digest = stretch.seq, stretch.digest or digest
    except (DivergedError, LogFindingError):
        return check_whole(layout, reader)
    report = IntegrityReport(True, seq, session_id=run.session_id, head=digest, last_seq=seq, covered_to=seq)
    return CheckedLog(report, 1, bytearray())


def verify_tail(
    loom: Eventloom,
    *,
    ask_witnesses: bool = True,
    progress: Progress | None = None,
    small_bytes: int = SMALL_LOOM_BYTES,
) -> LoomReport | None:
    """Check a large loom from its newest checkpoint on. Never raises for what it finds.

    Args:
        loom: The loom.
        ask_witnesses: Whether witnesses that are set up are asked.
        progress: Told how many sessions are done.
        small_bytes: A loom with less in its active logs is not large.

    Returns:
        The report, or None where only a check of the whole tells anything: the loom is small, or no checkpoint that
        was signed here holds.
    """
    if sum(stat.size for stat in loom.stats().values()) < small_bytes:
        return None
    with suppress(KeyUnavailableError, IntegrityError):  # the check of the whole says what is wrong with them
        notary = loom.notary()
        audit = _TailAudit(loom.path, Evidence.gather(loom.path, notary.home))
        ask = Witnessing(notary.state, audit.history, TreeFiles(loom.path / CHECKPOINTS / "tree")).confirm
        report = audit.run(ask if ask_witnesses and notary.state.witnesses() else None, progress)
        if report.level is not Level.CHAIN and report.checkpoint is not None:
            held = f"the {report.checkpointed_events:,} events up to the checkpoint of {report.checkpoint.signed_at}"
            blind = f"{held} were not read again (zaxy doctor --whole does); besides, {report.blind_spots}"
            return replace(report, blind_spots=blind)
    return None
