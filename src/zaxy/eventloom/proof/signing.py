"""Making checkpoints: what is new joins the tree, its head is signed, pinned outside, and kept in the loom.

Order of effects, each durable before the next: leaves into the tree's files; head pinned in the state folder; head
added to the history. No two inconsistent heads are ever signed: the tree must still have the root that was pinned, and
a head is pinned before anybody can see it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zaxy.clock import Clock, format_time
from zaxy.errors import IntegrityError, KeyUnavailableError
from zaxy.eventloom.folder import log_stats
from zaxy.eventloom.layout import LOG_SUFFIX, LogLayout
from zaxy.eventloom.proof.checkpoint import Checkpoint
from zaxy.eventloom.proof.custody import Standing, compare, signer_of
from zaxy.eventloom.proof.gathering import Gathered, check_whole, gather_new, root_of_leaves, split_hashes, tree_leaves
from zaxy.eventloom.proof.history import History, Run, SignedHead, chain_of
from zaxy.eventloom.proof.merkle import tree_root
from zaxy.eventloom.proof.notes import Note, SigningKey
from zaxy.eventloom.proof.seen import Seen, keep_seen, read_seen
from zaxy.eventloom.proof.state import LoomState
from zaxy.eventloom.proof.tree import TreeFiles
from zaxy.eventloom.reader import LogReader

_REMEDY = "see what is wrong: zaxy log verify"


@dataclass(frozen=True, slots=True)
class Problem:
    """A session that a checkpoint could not take in to its end."""

    session_id: str
    message: str


@dataclass(frozen=True, slots=True)
class Checkpointed:
    """What making a checkpoint came to.

    Attributes:
        head: The newest checkpoint.
        new_events: How many events it took in; 0 when nothing was new and it is the one from before.
        problems: Sessions that are not what was checkpointed, or are damaged: what is good of them was taken in.
    """

    head: SignedHead
    new_events: int
    problems: tuple[Problem, ...] = ()


class Signer:
    """Makes checkpoints of one loom. The caller holds the state's lock for every call.

    Args:
        folder: The loom.
        state: Its keys and its pinned head.
        history: Its history.
        tree: Its tree.
        clock: When a checkpoint is made.
    """

    def __init__(self, folder: Path, state: LoomState, history: History, tree: TreeFiles, clock: Clock) -> None:
        self._folder = folder
        self._state = state
        self._history = history
        self._tree = tree
        self._clock = clock

    def settle(self) -> None:
        """Finish what a crash left between pinning and publishing.

        Raises:
            IntegrityError: The history is not the one that was signed.
        """
        self._history.refresh()
        pinned = self._state.pinned()
        standing, head = compare(self._history, pinned)
        if standing in (Standing.BEHIND, Standing.FORKED) and pinned is not None:
            raise IntegrityError(
                f"the loom holds {self._history.size:,} events in checkpoints and is not the one of which"
                f" {pinned.size:,} were signed; nothing is signed for it",
                remedy=_REMEDY,
            )
        if head is not None and signer_of(head, self._state.keys()) is None:
            raise IntegrityError(
                f"the checkpoint of size {head.size:,} is not signed by a key of this loom", remedy=_REMEDY
            )
        if standing is Standing.UNPUBLISHED and head is not None:
            self._history.append(head)
        elif standing is Standing.UNPINNED and head is not None:
            self._state.pin(head)

    def _check_root(self, head: SignedHead) -> None:
        """Make sure that the tree has the root of the newest head; its files are made again from the logs if not."""
        with contextlib.suppress(IntegrityError):
            if tree_root(self._tree, head.size) == head.checkpoint.root:
                return
        self.rebuild(head)

    def rebuild(self, head: SignedHead) -> None:
        """Make the tree's files again from the logs, as the newest head says. On return they are on disk.

        Raises:
            IntegrityError: The logs do not have its root; the files are as they were.
        """
        expected = head.checkpoint.root
        logs = {name: check_whole(layout, LogReader(layout)) for name, layout in self._layouts()}
        leaves = tree_leaves(self._history, logs)
        if leaves is not None and root_of_leaves(leaves, head.size) == expected:
            self._tree.extend(0, split_hashes(leaves))
            if tree_root(self._tree, head.size) == expected:
                return
        raise IntegrityError(f"the logs do not have the root of the checkpoint of size {head.size:,}", remedy=_REMEDY)

    def _layouts(self) -> list[tuple[str, LogLayout]]:
        return [(session_id, self._layout(session_id)) for session_id in sorted(self._history.sessions())]

    def _layout(self, session_id: str) -> LogLayout:
        return LogLayout.of(self._folder / f"{session_id}{LOG_SUFFIX}")

    def checkpoint(self, keys: Sequence[SigningKey]) -> Checkpointed:
        """Take in what is new, sign the head, pin it and publish it. On return it is on disk.

        Args:
            keys: All of them sign; the first one is the key in force.

        Raises:
            KeyUnavailableError: There is no key to sign with.
            IntegrityError: The loom is not the one that was signed before.
            WriteFailedError: The disk refused; the newest checkpoint is the one from before, or this one.
        """
        if not keys:
            raise KeyUnavailableError("there is no key to sign with", remedy="make one: zaxy init")
        self.settle()
        last = self._history.last
        gathered = self._gather()
        problems = tuple(
            Problem(session_id, found.problem.message) for session_id, found in gathered if found.problem is not None
        )
        runs = tuple(found.run for _, found in gathered if found.run is not None)
        if last is not None and not runs and all(last.note.signed_by(key.verifier) for key in keys):
            self._check_root(last)
            return Checkpointed(last, 0, problems)
        leaves = [leaf for _, found in gathered for leaf in found.leaves]
        head = self._sign(runs, leaves, keys)
        self._state.pin(head)
        self._history.append(head)
        self._forget_seen()
        return Checkpointed(head, len(leaves), problems)

    def _gather(self) -> list[tuple[str, Gathered]]:
        covered = self._history.sessions()
        found = []
        for session_id, status in sorted(log_stats(self._folder).items()):
            run = covered.get(session_id)
            if run is not None and status.inode and (status.inode, status.size) == (run.inode, run.end):
                continue
            if not is_text(session_id):
                found.append((session_id, Gathered(None, [], IntegrityError("its name is not text", remedy=_REMEDY))))
                continue
            layout = self._layout(session_id)
            reader = LogReader(layout)
            if run is None and status.inode and not reader.begins_like_a_log():
                continue  # an empty file, or one that is no log
            found.append((session_id, gather_new(layout, reader, run)))
        missing = sorted(set(covered) - {session_id for session_id, _ in found} - set(log_stats(self._folder)))
        return found + [(name, _gone(covered[name])) for name in missing]

    def _sign(self, runs: tuple[Run, ...], leaves: list[bytes], keys: Sequence[SigningKey]) -> SignedHead:
        last, size = self._history.last, self._history.size
        if last is not None:
            self._check_root(last)
        self._tree.extend(size, leaves)
        root = tree_root(self._tree, size + len(leaves))
        if last is not None and tree_root(self._tree, last.size) != last.checkpoint.root:
            raise IntegrityError("the tree changed while it was extended", remedy=_REMEDY)
        text = Checkpoint(self._state.origin, size + len(leaves), root).text()
        note = Note(text, tuple(key.sign(text) for key in keys))
        signed = note.encode().decode("utf-8")
        return SignedHead(size + len(leaves), format_time(self._clock.now()), runs, signed, chain_of(last, runs))

    def _forget_seen(self) -> None:
        """Drop from the note of acknowledged events what the checkpoint covers; keeping it does no harm."""
        seen = read_seen(self._state.seen)
        left = {name: last for name, last in seen.items() if not self._holds(name, last)}
        if len(left) < len(seen):
            with contextlib.suppress(OSError):
                keep_seen(self._state.seen, left)

    def _holds(self, session_id: str, last: Seen) -> bool:
        """Whether the newest checkpoint holds an event that was acknowledged; another one in its place is no such."""
        run = self._history.sessions().get(session_id)
        if run is None or run.last_seq < last.seq:
            return False
        if run.last_seq == last.seq:
            return run.digest == last.digest
        event = LogReader(self._layout(session_id)).read(last.seq)
        return event is not None and event.hash.removeprefix("sha256:") == last.digest


def is_text(session_id: str) -> bool:
    """Whether a file's name can be written down: one that is not UTF-8 cannot be part of a history."""
    try:
        session_id.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _gone(run: Run) -> Gathered:
    message = f"its log is gone; checkpoints hold its events up to {run.last_seq:,}"
    return Gathered(None, [], IntegrityError(message, remedy=_REMEDY))
