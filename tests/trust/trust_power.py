"""The life of a log on a disk that loses power, and what a recovery owes to whoever got an acknowledgement."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from random import Random
from typing import Final

from losing_disk import KilledError, LosingDisk, Moment, after_cut, put

from zaxy.errors import WriteFailedError
from zaxy.eventloom.event import Draft
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.writer import FsyncPolicy, WriterOptions

LOG: Final = "loom/work.jsonl"
NOTHING_CUT: Final = "nothing cut"
TORN_LINE: Final = "a torn last line"
LOST_PAGES: Final = "lost pages and whole lines behind them"

Left = dict[str, tuple[int, bytes]]


def log_lines(folder: Path) -> list[bytes]:
    """Return the lines of the log in a folder, in all its files."""
    archive = f"{folder}/loom/archive/work"
    names = sorted(os.listdir(archive)) if os.path.isdir(archive) else ()
    paths = [*(f"{archive}/{name}" for name in names), f"{folder}/{LOG}"]
    return b"".join(Path(path).read_bytes() for path in paths if os.path.exists(path)).splitlines(keepends=True)


def clear(folder: str) -> None:
    """Remove what is in a folder. Faster than what guards itself against others, of whom there are none."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                clear(entry.path)
                os.rmdir(entry.path)
            else:
                os.unlink(entry.path)


class Life:
    """Some of a log's life on a watched disk.

    Args:
        folder: Where the disk is; made. The loom is a folder on it.
        syncs: False: the disk lies about syncing.
        policy: When the log is synced; nothing is acknowledged as durable unless always.

    Attributes:
        disk: The disk, as far as it watched since the last cut.
        lines: The lines of the log.
        torn: The torn tail that the last cut left.
    """

    def __init__(self, folder: Path, *, syncs: bool = True, policy: FsyncPolicy = FsyncPolicy.ALWAYS) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.syncs = syncs
        self.options = WriterOptions(fsync=policy)
        self.disk = LosingDisk(folder, syncs=syncs)
        self.log = self._open()
        self.lines: list[bytes] = []
        self.torn = b""
        self._risky: list[Moment] = []
        self._risky_of = 0

    def _open(self) -> EventLog:
        return EventLog(self.folder / LOG, options=self.options)

    def _acknowledge(self, seq: int) -> None:
        if self.options.fsync is FsyncPolicy.ALWAYS:
            self.disk.acknowledge(seq)

    def commit(self, drafts: list[Draft]) -> None:
        """Append, and remember what was acknowledged."""
        with contextlib.suppress(KilledError, WriteFailedError), self.disk.watching():
            self._acknowledge(self.log.commit(drafts)[-1].event.seq)
        self.lines = log_lines(self.folder)

    def note(self) -> None:
        """Append a short event."""
        self.commit([Draft("note.taken", "ann")])

    def rotate(self) -> None:
        """Close the active file, and remember that what it tells of is acknowledged."""
        with contextlib.suppress(KilledError, WriteFailedError), self.disk.watching():
            if self.log.rotate() is not None:
                self._acknowledge(self.log.head().seq)
        self.lines = log_lines(self.folder)

    def restart(self) -> None:
        """Go on in another process."""
        self.disk.restart()
        self.close()
        self.log = self._open()

    def close(self) -> None:
        """Release the log's files."""
        with self.disk.watching():
            self.log.close()

    def moment(self, chance: Random) -> Moment:
        """Return a moment between two calls, more often one when something of a log was not synced."""
        moments = self.disk.moments
        if self._risky_of != len(moments):
            self._risky_of, self._risky = len(moments), [moment for moment in moments if moment.is_risky]
        return chance.choice(self._risky if self._risky and chance.random() < 0.7 else moments)

    def go_on_after(self, left: Left, acknowledged: int, torn: bytes) -> None:
        """Go on with what a cut left, a torn tail among it."""
        known = self.lines[:acknowledged]
        self.close()
        clear(str(self.folder))
        put(self.folder, left)
        self.disk = LosingDisk(self.folder, syncs=self.syncs)
        self.disk.acknowledge(acknowledged)
        self.torn = torn
        self._risky_of = 0
        self.log = self._open()
        self.lines = log_lines(self.folder)
        assert self.lines[:acknowledged] == known, "an acknowledged event is not what it was"

    def step(self, chance: Random) -> None:
        """Append one or many events or rotate; sometimes be killed in it, run out of space or be another process."""
        kind = chance.random()
        if kind < 0.3:
            self.disk.kill_at(chance.randint(1, 12))
        elif kind < 0.4:
            self.disk.fill(chance.randint(0, 3_000))
        if chance.random() < 0.15:
            self.rotate()
        else:
            lengths = [chance.choice((0, 30, 200, 700, 2_000)) for _ in range(chance.choice((1, 1, 2, 4, 9)))]
            self.commit([Draft("note.taken", "ann", {"text": "x" * length}) for length in lengths])
        if kind < 0.5:
            self.restart()


def lived(chance: Random, life: Life, recovery: Recovery) -> Life:
    """Let a life have up to two cuts of the power in it, and what follows each."""
    for cut in range(chance.choice((1, 1, 2, 3))):
        if cut:
            moment = life.moment(chance)
            left = after_cut(moment, chance)
            recovery.check(left, life, moment.acknowledged, is_read=chance.random() < 0.5)
            life.go_on_after(left, moment.acknowledged, recovery.torn)
        for _ in range(chance.randint(1, 5)):
            life.step(chance)
    life.close()
    return life


class Recovery:
    """Recovers logs from what cuts of the power left.

    Args:
        folder: Where; made.

    Attributes:
        torn: What the last one took away from the file that is appended to.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.torn = b""
        self.log = EventLog(folder / LOG)  # only reads, and keeps nothing between two calls

    def check(self, left: Left, life: Life, acknowledged_events: int, *, is_read: bool) -> str:
        """Recover a log as a new process does, and check that all is well.

        Args:
            left: What the cut left.
            life: The life that was cut.
            acknowledged_events: How many events were acknowledged by then.
            is_read: Whether somebody reads before anybody repairs.

        Returns:
            What was recovered from.
        """
        acknowledged = life.lines[:acknowledged_events]
        clear(str(self.folder))
        put(self.folder, left)
        if is_read:
            self._look(len(acknowledged))
        with EventLog(self.folder / LOG) as log:
            event = log.append("note.taken", "bob")
        report = self.log.verify()
        assert (report.ok, report.findings, report.total_events) == (True, (), event.seq), report
        lines = log_lines(self.folder)
        assert len(lines) == event.seq
        assert lines[: len(acknowledged)] == acknowledged, "an acknowledged event is not what it was"
        assert not os.path.exists(self.log.layout.damage_mark), "a mark says that the log is damaged"
        self.torn = self._cut(left)
        self._check_quarantine(life.torn, lines, acknowledged)
        if not self.torn:
            return NOTHING_CUT
        return LOST_PAGES if b"\0" in self.torn and b'\n{"id"' in self.torn else TORN_LINE

    def _look(self, acknowledged: int) -> None:
        """Be the first who reads the log, before anybody repaired it."""
        head = self.log.head().seq
        assert head >= acknowledged
        if not os.path.exists(self.log.path) and not head:
            return
        report = self.log.verify()
        assert (report.ok, report.total_events) == (True, head), report
        assert {finding.code for finding in report.findings} <= {"torn_tail"}, report
        assert [event.seq for event in self.log.replay(max(1, head))] == [head] * min(head, 1)

    def _cut(self, left: Left) -> bytes:
        """Return what the recovery took away from the file that is appended to."""
        _, before = left.get(LOG, (0, b""))
        after = self.log.path.read_bytes()
        if after.startswith(before):
            return b""
        kept = 0
        for old, new in zip(before.splitlines(keepends=True), after.splitlines(keepends=True), strict=False):
            if old != new:
                break
            kept += len(old)
        return before[kept:]

    def _check_quarantine(self, torn_before: bytes, lines: list[bytes], acknowledged: list[bytes]) -> None:
        """What was cut, now or before, is kept, is told of, and holds nothing that was acknowledged."""
        quarantine = f"{self.folder}/loom/quarantine"
        kept = {}
        for name in os.listdir(quarantine) if os.path.isdir(quarantine) else ():
            if not name.startswith("."):  # else it was being written when the power went
                session, digest, _ = name.split(".")
                kept[digest] = Path(quarantine, name).read_bytes()
                assert (session, digest) == ("work", hashlib.sha256(kept[digest]).hexdigest())
        missing = {self.torn, torn_before} - {b"", *kept.values()}
        assert not missing, "what was cut is not in quarantine"
        text = b"".join(lines) if kept else b""
        for digest, content in kept.items():
            assert b'"bytes":%d,"sha256":"%s"' % (len(content), digest.encode()) in text, "a cut is not told of"
            assert not [line for line in acknowledged if line in content], "an acknowledged event is in quarantine"
