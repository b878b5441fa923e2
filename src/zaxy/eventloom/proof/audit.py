"""Checking a whole loom: every chain, the signed history over all of them, and the head that is pinned outside.

What was pinned and what was acknowledged is read first, the logs after that, so that what others append meanwhile can
never look like something missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zaxy.errors import BadProofError, IntegrityError
from zaxy.eventloom.folder import log_stats, read_identity
from zaxy.eventloom.layout import LOG_SUFFIX, LogLayout
from zaxy.eventloom.proof.custody import Standing, compare, signer_of
from zaxy.eventloom.proof.gathering import CheckedLog, check_whole, root_of_leaves, tree_leaves
from zaxy.eventloom.proof.history import History, Run, SignedHead
from zaxy.eventloom.proof.merkle import HASH_BYTES
from zaxy.eventloom.proof.notes import VerifierKey
from zaxy.eventloom.proof.report import BLIND_SPOTS, CheckpointStatus, Level, LoomReport, remedy_of
from zaxy.eventloom.proof.seen import Seen, read_seen
from zaxy.eventloom.proof.state import LoomState, TrustedKey, known_at
from zaxy.eventloom.proof.tree import TreeFiles
from zaxy.eventloom.proof.witnessing import Witnessed
from zaxy.eventloom.reader import LogReader
from zaxy.eventloom.verification import Finding, IntegrityReport

Progress = Callable[[int, int | None], None]
Ask = Callable[[SignedHead], Sequence[Witnessed]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known from outside the loom.

    Attributes:
        state: Where it is known from, None when the loom has no id or there is no state folder.
        keys: The public keys that count.
        pinned: The newest head that was signed here, None when nothing is known of one.
        seen: The last acknowledged event of each session since then.
        other_loom: The id of another loom that was seen in this place, None when none was.
        witnesses: The public keys of the witnesses that are asked.
        named: Whether the keys were named by who asks, instead of taken from the state folder.
    """

    state: LoomState | None = None
    keys: Sequence[TrustedKey] = ()
    pinned: SignedHead | None = None
    seen: Mapping[str, Seen] | None = None
    other_loom: str | None = None
    witnesses: Sequence[VerifierKey] = ()
    named: bool = False

    @classmethod
    def gather(cls, folder: Path, home: Path | None) -> Evidence:
        """Return what a state folder knows of a loom. A loom whose id cannot be read is looked up by its place.

        Args:
            folder: The loom.
            home: The state folder of all looms, None where there is none.
        """
        if home is None:
            return cls()
        before = known_at(home, folder)
        try:
            loom_id = read_identity(folder)
        except IntegrityError:
            loom_id = None
        other = before if before not in (None, loom_id) else None
        if loom_id is None:
            return cls(other_loom=other)
        state = LoomState(home, loom_id)
        witnesses = [each.verifier for each in state.witnesses()]
        return cls(state, state.keys(), state.pinned(), read_seen(state.seen), other, witnesses)

    def trusting(self, keys: Sequence[VerifierKey]) -> Evidence:
        """Return the same with other public keys that count; none leaves them as they are."""
        return replace(self, keys=[TrustedKey(key) for key in keys], named=True) if keys else self


class Audit:
    """One verification of a loom.

    Args:
        folder: The loom.
        evidence: What is known from outside; gathered before anything in the loom is read.
    """

    def __init__(self, folder: Path, evidence: Evidence) -> None:
        self._folder = folder
        self._evidence = evidence
        self.history = History(folder / "checkpoints")
        self._findings: list[Finding] = []
        self._notes: list[str] = []

    def run(self, ask: Ask | None = None, progress: Progress | None = None) -> LoomReport:
        """Check everything. Reads the whole loom; never raises for what it finds.

        Args:
            ask: Asks the witnesses about the newest checkpoint; None asks nobody.
            progress: Told how many sessions are done.
        """
        self._check_place()
        head = self._check_history()
        logs = self._check_logs(progress)
        covered = head is not None and self._check_covered(logs) and self._check_root(head, logs)
        self._check_seen(logs)
        confirmed = ask is not None and head is not None and covered and self._ask_witnesses(head, ask)
        level = self._level(head, covered=covered, confirmed=confirmed)
        return self._report(level, head, logs)

    def _find(self, code: str, message: str, *, session_id: str = "", seq: int = 0, path: Path | None = None) -> None:
        self._findings.append(Finding(code, session_id, seq, message, str(path or self.history.folder)))

    def _check_place(self) -> None:
        if self._evidence.other_loom is not None:
            message = (
                f"the loom {self._evidence.other_loom} was here before: this is another one, or its id was changed"
            )
            self._find("another_loom", message, path=self._folder / "loom.json")

    def _check_history(self) -> SignedHead | None:
        """Return the head to hold the logs against, or None when there is none that can be trusted."""
        try:
            self.history.refresh()
            head = self._standing_head()
            return head if head is not None and self._is_trusted(head) else None
        except IntegrityError as error:
            self._find("history_damaged", error.message)
            return None

    def _standing_head(self) -> SignedHead | None:
        """Return the head that the history has, as far as it is the one that is pinned."""
        pinned = self._evidence.pinned
        standing, head = compare(self.history, pinned)
        if standing is Standing.BEHIND and pinned is not None:
            held = f"{pinned.size:,} events were signed; the loom's checkpoints hold {self.history.size:,}"
            self._find("rolled_back", f"{held}: it was cut, or an older copy was put back")
            return self.history.last
        if standing is Standing.FORKED:
            self._find("rewritten_history", "the loom holds other checkpoints than those that were signed here")
            return None
        if standing is Standing.UNPUBLISHED and head is not None:
            self.history.admit(head)
        return head

    def _is_trusted(self, head: SignedHead) -> bool:
        checkpoint = head.checkpoint
        if not self._evidence.keys:
            self._notes.append("there are checkpoints and no key to check them with: name one with --public-key")
            return False
        if self._signer(head) is None:
            self._find("bad_signature", f"the checkpoint of size {head.size:,} is not signed by a key of this loom")
            return False
        state = self._evidence.state
        if state is not None and checkpoint.origin != state.origin:
            self._find("bad_origin", f"the newest checkpoint is of {checkpoint.origin}, not of {state.origin}")
            return False
        return True

    def _signer(self, head: SignedHead) -> VerifierKey | None:
        """Return who signed a head. A key that was rotated since the keys were read is looked up again."""
        signer = signer_of(head, self._evidence.keys)
        if signer is None and self._evidence.state is not None and not self._evidence.named:
            signer = signer_of(head, self._evidence.state.keys())
        return signer

    def _check_logs(self, progress: Progress | None) -> dict[str, CheckedLog]:
        runs = self.history.sessions()
        known = {*runs, *(self._evidence.seen or {})}
        names = sorted({*log_stats(self._folder), *known})
        logs: dict[str, CheckedLog] = {}
        for done, session_id in enumerate(names, 1):
            layout = LogLayout.of(self._folder / f"{session_id}{LOG_SUFFIX}")
            log = self._check_log(layout, runs.get(session_id))
            if session_id in known or not log.report.findings or log.report.findings[0].code != "not_a_log":
                logs[session_id] = log
            else:
                self._notes.append(f"{layout.active} is not a log")
            if progress is not None:
                progress(done, len(names))
        return logs

    def _check_log(self, layout: LogLayout, run: Run | None) -> CheckedLog:  # noqa: ARG002 -- for who rests on it
        """Check one log, of which a checkpoint holds a run or nothing."""
        return check_whole(layout, LogReader(layout))

    def _check_covered(self, logs: Mapping[str, CheckedLog]) -> bool:
        """Find sessions that end before what a checkpoint holds of them; those with a finding already are told once."""
        whole = True
        for session_id, run in sorted(self.history.sessions().items()):
            report = logs[session_id].report
            if report.last_seq >= run.last_seq:
                continue
            whole = False
            if report.ok:
                self._truncated(report, run.last_seq, "checkpoints hold")
        return whole

    def _truncated(self, report: IntegrityReport, last_seq: int, who: str) -> None:
        path = self._folder / f"{report.session_id}{LOG_SUFFIX}"
        code, what = (
            ("truncated", f"ends at event {report.last_seq}") if report.last_seq else ("session_missing", "is gone")
        )
        message = f"session {report.session_id} {what}; {who} its events up to {last_seq}"
        self._find(code, message, session_id=report.session_id, seq=report.last_seq + 1, path=path)

    def _check_seen(self, logs: Mapping[str, CheckedLog]) -> None:
        told = {finding.session_id for finding in self._findings}
        for session_id, last in sorted((self._evidence.seen or {}).items()):
            report = logs[session_id].report
            if not report.ok or session_id in told:
                continue
            if report.last_seq < last.seq:
                self._truncated(report, last.seq, "acknowledged were")
                continue
            layout = LogLayout.of(self._folder / f"{session_id}{LOG_SUFFIX}")
            event = None if report.last_seq == last.seq else LogReader(layout).read(last.seq)
            digest = report.head if event is None else event.hash.removeprefix("sha256:")
            if digest != last.digest:
                message = f"event {last.seq} of session {session_id} is not the one that was acknowledged"
                self._find("rewritten", message, session_id=session_id, seq=last.seq, path=layout.active)

    def _check_root(self, head: SignedHead, logs: Mapping[str, CheckedLog]) -> bool:
        leaves = tree_leaves(self.history, logs)
        if leaves is not None and root_of_leaves(leaves, head.size) == head.checkpoint.root:
            return True
        if any(not log.report.ok for log in logs.values()):
            return False  # what is wrong is told already, with its place
        place = self._first_difference(logs)
        if place is None:
            self._find("rewritten", f"the logs do not have the root of the checkpoint of size {head.size:,}")
            return False
        session_id, seq = place
        message = f"event {seq} of session {session_id} is not the one that the checkpoint of size {head.size:,} holds"
        path = self._folder / f"{session_id}{LOG_SUFFIX}"
        self._find("rewritten", message, session_id=session_id, seq=seq, path=path)
        return False

    def _first_difference(self, logs: Mapping[str, CheckedLog]) -> tuple[str, int] | None:
        """Return the first event whose line differs from the leaf that the tree's files hold."""
        tree = TreeFiles(self.history.folder / "tree")
        for piece in self.history.leaves():
            run = piece.run
            try:
                kept = b"".join(tree.read(0, piece.leaf, run.events))
            except IntegrityError:
                return None
            held = logs[run.session_id].hashes(run.first_seq, run.last_seq)
            if kept != held:
                at = next(
                    at
                    for at in range(0, len(kept), HASH_BYTES)
                    if kept[at : at + HASH_BYTES] != held[at : at + HASH_BYTES]
                )
                return run.session_id, run.first_seq + at // HASH_BYTES
        return None

    def _ask_witnesses(self, head: SignedHead, ask: Ask) -> bool:
        """Return whether a witness says that this checkpoint is the newest that it knows."""
        confirmed = False
        for answer in ask(head):
            confirmed = confirmed or answer.cosigned
            if answer.contradicts:
                self._find("witness_contradicts", f"the witness {answer.name} knows another history: {answer.message}")
            elif not answer.cosigned:
                self._notes.append(f"the witness {answer.name} did not confirm the checkpoint: {answer.message}")
        return confirmed

    def _level(self, head: SignedHead | None, *, covered: bool, confirmed: bool) -> Level:
        if head is None or not covered:
            return Level.CHAIN
        if self._evidence.pinned is None:
            return Level.CHECKPOINT
        return Level.WITNESS if confirmed else Level.PINNED_HEAD

    def _report(self, level: Level, head: SignedHead | None, logs: Mapping[str, CheckedLog]) -> LoomReport:
        reports = tuple(self._with_level(log.report, level) for log in logs.values())
        chain = [finding for report in reports if not report.ok for finding in report.findings]
        findings = (*chain, *self._findings)
        notes = [finding.message for report in reports if report.ok for finding in report.findings]
        return LoomReport(
            not findings,
            level,
            BLIND_SPOTS[level],
            sum(report.total_events for report in reports),
            head.size if head is not None and level is not Level.CHAIN else 0,
            reports,
            self._checkpoint_status(head),
            findings,
            (*notes, *self._notes),
            _next_command(findings, level, self.history),
        )

    def _with_level(self, report: IntegrityReport, level: Level) -> IntegrityReport:
        if level is Level.CHAIN:
            return report
        run = self.history.sessions().get(report.session_id)
        last = (self._evidence.seen or {}).get(report.session_id)
        known = max(run.last_seq if run is not None else 0, last.seq if last is not None else 0)
        covered = min(known, report.last_seq)
        return replace(report, level=str(level), covered_to=covered, blind_spots=BLIND_SPOTS[level])

    def _checkpoint_status(self, head: SignedHead | None) -> CheckpointStatus | None:
        shown = head or self.history.last
        try:
            if shown is None:
                return None
            signer, checkpoint, note = self._signer(shown), shown.checkpoint, shown.note
        except BadProofError:  # it is told already
            return None
        cosigned = tuple(key.name for key in self._evidence.witnesses if note.signed_by(key))
        key = None if signer is None else str(signer)
        return CheckpointStatus(shown.size, checkpoint.root.hex(), shown.time, key, cosigned)


def _next_command(findings: Sequence[Finding], level: Level, history: History) -> str:
    if findings:
        return remedy_of(findings[0])
    if level is Level.CHAIN and not history.size:
        return "zaxy log checkpoint"
    return 'zaxy query "What are our goals?"'
