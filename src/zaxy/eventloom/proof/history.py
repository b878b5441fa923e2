"""The signed history of a loom: which events each checkpoint took in, in which order, and its signed note.

`checkpoints/history.jsonl` holds one line a checkpoint. It is the one file besides the logs that cannot be made again:
the order of the leaves is fixed by it. A line is either

    {"size": …, "time": …, "runs": [[session, first, last, digest, inode, end], …], "note": …}
    {"size": …, "cosignatures": [line, …]}

where a run is a stretch of one session's events and ``digest`` the hash of its last one; ``inode`` and ``end`` only say
where to go on reading. The second kind adds what witnesses signed later.
"""

from __future__ import annotations

import hashlib
import os
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from zaxy.errors import BadProofError, IntegrityError
from zaxy.eventloom.proof.checkpoint import Checkpoint, parse_checkpoint
from zaxy.eventloom.proof.notes import Note, parse_note, parse_signature
from zaxy.eventloom.scan import Line, read_lines
from zaxy.eventloom.torn import holds_lost_page
from zaxy.files.durable import append_durably, close_quietly, cut, make_directories, open_log, sync_directory

HISTORY_NAME: Final = "history.jsonl"
_NO_NAME: Final = re.compile(r"[/\x00]")


class Run(NamedTuple):
    """A stretch of one session's events that a checkpoint took in: in the tree they stand one behind the other.

    Attributes:
        session_id: The session.
        first_seq: Its first event.
        last_seq: Its last event.
        digest: The last event's hash.
        inode: Inode of the file that held that event.
        end: Byte offset just behind it.
    """

    session_id: str
    first_seq: int
    last_seq: int
    digest: str
    inode: int
    end: int

    @property
    def events(self) -> int:
        """How many events it has."""
        return self.last_seq - self.first_seq + 1


@dataclass(frozen=True, slots=True)
class SignedHead:
    """One checkpoint as it is kept.

    Attributes:
        size: How many events the tree holds.
        time: When it was signed, RFC 3339.
        runs: What it took in, in the order of the leaves.
        signed: The text of the signed note, with the cosignatures that came later.
        chain: Digest over these runs and the chain of the head before. A history computes it as it is read; the pinned
            head keeps it, and thereby all runs that were ever taken in.
    """

    size: int
    time: str
    runs: tuple[Run, ...]
    signed: str
    chain: str = field(default="", compare=False)

    @property
    def note(self) -> Note:
        """The signed note. Parsed when it is asked for: a history holds many that nobody asks for."""
        return parse_note(self.signed)

    @property
    def checkpoint(self) -> Checkpoint:
        """What was signed."""
        return parse_checkpoint(self.note.text)

    @property
    def first_leaf(self) -> int:
        """The first leaf that this checkpoint took in, which is the size of the one before."""
        return self.size - sum(run.events for run in self.runs)

    def members(self) -> dict[str, Any]:
        """Return the head as it is stored."""
        runs = [list(run) for run in self.runs]
        return {"size": self.size, "time": self.time, "runs": runs, "note": self.signed}

    @classmethod
    def parse(cls, members: Any) -> SignedHead:
        """Return a stored head; whether its note is signed by a trusted key is for others to check.

        Raises:
            BadProofError: It is not one.
        """
        try:
            runs = tuple(Run(*run) for run in members["runs"])
            head = cls(members["size"], members["time"], runs, members["note"], members.get("chain", ""))
            if not all(_is_run(run) for run in head.runs) or head.signed.split("\n", 2)[1] != str(head.size):
                raise ValueError("runs or size")
            if head.first_leaf < 0 or type(head.time) is not str or type(head.chain) is not str:
                raise ValueError("more events than leaves, or a member of another type")
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            raise BadProofError("a line of the checkpoint history has not the form of one") from error
        return head


def chain_of(last: SignedHead | None, runs: Sequence[Run]) -> str:
    """Return the chain of a head that takes these runs in and follows another."""
    before = last.chain if last is not None else ""
    return hashlib.sha256(
        before.encode("utf-8", "surrogatepass") + orjson.dumps([list(run) for run in runs])
    ).hexdigest()


def _is_run(run: Run) -> bool:
    return (
        type(run.session_id) is str
        and run.session_id not in ("", ".", "..")
        and not _NO_NAME.search(run.session_id)
        and type(run.digest) is str
        and all(type(number) is int for number in (run.first_seq, run.last_seq, run.inode, run.end))
        and 1 <= run.first_seq <= run.last_seq
    )


@dataclass(frozen=True, slots=True)
class Piece:
    """Where a stretch of a session's events stands in the tree."""

    leaf: int
    run: Run


class History:
    """The history of one loom. Appending is for the holder of the checkpoint lock.

    Args:
        folder: The loom's ``checkpoints`` folder; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / HISTORY_NAME
        self._forget()

    def _forget(self) -> None:
        self.heads: list[SignedHead] = []
        self._pieces: dict[str, list[Piece]] = {}
        self._chains: dict[str, SignedHead] = {}
        self._end = 0
        self._inode = 0

    def _place(self, head: SignedHead) -> None:
        leaf = head.first_leaf
        for run in head.runs:
            self._pieces.setdefault(run.session_id, []).append(Piece(leaf, run))
            leaf += run.events

    def refresh(self) -> None:
        """Read what was added since the last look; all of it when the file is another one.

        Raises:
            IntegrityError: A line before the last is not one, or the lines do not fit together.
        """
        path = self.path
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            self._forget()
            return
        try:
            status = os.fstat(descriptor)
            if status.st_ino != self._inode or status.st_size < self._end:
                self._forget()
                self._inode = status.st_ino
            for line in read_lines(descriptor, self._end):
                is_last = line.offset + len(line.data) + 1 >= status.st_size
                if not line.complete or (is_last and holds_lost_page(line.data)):
                    break  # an unfinished write: its head was pinned before, and is written again from there
                self._take(line)
                self._end = line.offset + len(line.data) + 1
        finally:
            close_quietly(descriptor)

    def _take(self, line: Line) -> None:
        try:
            members = orjson.loads(line.data)
            if isinstance(members, dict) and "cosignatures" in members:
                self._cosign(members["size"], members["cosignatures"])
                return
            head = SignedHead.parse(members)
            if head.first_leaf != self.size:
                raise BadProofError(f"the checkpoint of size {head.size} does not follow the one before")
        except (ValueError, KeyError, TypeError, BadProofError) as error:
            self._forget()
            raise IntegrityError(
                f"{self.path} is damaged at byte {line.offset}",
                remedy="restore it from a backup, then run: zaxy log verify",
            ) from error
        self.admit(head)

    def _cosign(self, size: int, lines: Sequence[str]) -> None:
        at = bisect_right(self.heads, size, key=lambda head: head.size) - 1
        if at < 0 or self.heads[at].size != size:
            raise BadProofError("cosignatures without their checkpoint")
        signed = self.heads[at].signed
        for line in lines:
            if type(line) is not str:
                raise BadProofError("a cosignature is not text")
            if f"\n{parse_signature(line).line}\n" not in signed:
                signed += f"{line}\n"
        self.heads[at] = self._chains[self.heads[at].chain] = replace(self.heads[at], signed=signed)

    @property
    def last(self) -> SignedHead | None:
        """The newest checkpoint."""
        return self.heads[-1] if self.heads else None

    @property
    def size(self) -> int:
        """How many events the newest checkpoint holds."""
        return self.heads[-1].size if self.heads else 0

    def at(self, size: int) -> SignedHead | None:
        """Return the checkpoint of a size."""
        found = bisect_right(self.heads, size, key=lambda head: head.size)
        return self.heads[found - 1] if found and self.heads[found - 1].size == size else None

    def covering(self, leaf: int) -> SignedHead:
        """Return the first checkpoint that holds a leaf."""
        return self.heads[bisect_right(self.heads, leaf, key=lambda head: head.size)]

    def sessions(self) -> dict[str, Run]:
        """Return the last run of each session."""
        return {session_id: pieces[-1].run for session_id, pieces in self._pieces.items()}

    def pieces(self, session_id: str) -> Sequence[Piece]:
        """Return where a session's events stand in the tree, in their order."""
        return self._pieces.get(session_id, ())

    def leaf(self, session_id: str, seq: int) -> int | None:
        """Return which leaf an event is, or None when no checkpoint holds it."""
        pieces = self._pieces.get(session_id, [])
        found = bisect_right(pieces, seq, key=lambda piece: piece.run.first_seq) - 1
        if found < 0 or seq > pieces[found].run.last_seq:
            return None
        return pieces[found].leaf + seq - pieces[found].run.first_seq

    def event(self, leaf: int) -> tuple[str, int]:
        """Return the session and the number of the event that a leaf is."""
        head = self.covering(leaf)
        at = head.first_leaf
        for run in head.runs:
            if leaf < at + run.events:
                return run.session_id, run.first_seq + leaf - at
            at += run.events
        raise AssertionError("a head's runs fill what it covers")

    def leaves(self) -> Iterator[Piece]:
        """Yield all stretches in the order of the tree."""
        for head in self.heads:
            leaf = head.first_leaf
            for run in head.runs:
                yield Piece(leaf, run)
                leaf += run.events

    def append(self, head: SignedHead) -> None:
        """Add a checkpoint. On return it is on disk. Errors as `append_durably`."""
        self._write(head.members())
        self.admit(head)

    def admit(self, head: SignedHead) -> None:
        """Take a head in without writing it."""
        chained = replace(head, chain=chain_of(self.last, head.runs))
        self.heads.append(chained)
        self._chains[chained.chain] = chained
        self._place(chained)

    def with_chain(self, chain: str) -> SignedHead | None:
        """Return the checkpoint of a chain."""
        return self._chains.get(chain)

    def add_cosignatures(self, size: int, lines: Sequence[str]) -> None:
        """Add what witnesses signed to the checkpoint of a size. On return it is on disk. Errors as `append_durably`.

        Args:
            size: The checkpoint's size.
            lines: Signature lines without their newlines.
        """
        self._write({"size": size, "cosignatures": list(lines)})
        self._cosign(size, lines)

    def _write(self, members: dict[str, Any]) -> None:
        path = self.path
        make_directories(self.folder)
        descriptor = open_log(path, create=True)
        try:
            status = os.fstat(descriptor)
            if status.st_size > self._end:  # an unfinished line of a process that died
                cut(descriptor, self._end, path=path)
            data = orjson.dumps(members) + b"\n"
            append_durably(descriptor, data, size=self._end, path=path, synced=True)
            if self._end == 0:
                sync_directory(self.folder)
            self._end += len(data)
            self._inode = status.st_ino
        finally:
            close_quietly(descriptor)
