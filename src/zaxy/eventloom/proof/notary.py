"""One loom's notary: makes its checkpoints, proves its events, and says how far the loom can be trusted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from zaxy.clock import Clock
from zaxy.errors import (
    BadProofError,
    IntegrityError,
    InvalidInputError,
    KeyUnavailableError,
    NotFoundError,
    ZaxyError,
)
from zaxy.eventloom.event import Event
from zaxy.eventloom.layout import LOG_SUFFIX, LogLayout
from zaxy.eventloom.proof.acceptance import Acceptance, Accepted
from zaxy.eventloom.proof.audit import Audit, Evidence, Progress
from zaxy.eventloom.proof.checkpoint import Checkpoint, parse_checkpoint
from zaxy.eventloom.proof.event_proof import EventProof
from zaxy.eventloom.proof.gathering import raw_line
from zaxy.eventloom.proof.history import History, SignedHead
from zaxy.eventloom.proof.merkle import (
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
)
from zaxy.eventloom.proof.notes import Note, VerifierKey
from zaxy.eventloom.proof.report import LoomReport
from zaxy.eventloom.proof.rotation import Rotated, Rotation
from zaxy.eventloom.proof.seen import read_seen
from zaxy.eventloom.proof.signing import Checkpointed, Signer
from zaxy.eventloom.proof.state import LoomState, TrustedKey, known_at, remember_place
from zaxy.eventloom.proof.tree import TreeFiles
from zaxy.eventloom.proof.witnessing import Witnessed, Witnessing
from zaxy.eventloom.reader import LogReader
from zaxy.eventloom.records import read_record
from zaxy.files.durable import write_failed
from zaxy.files.lock import locked, try_lock, unlock

CHECKPOINTS: Final = "checkpoints"


class Notary:
    """Keeps the signed history of one loom. Safe to share between threads and processes.

    Args:
        folder: The loom.
        home: The state folder of all looms.
        loom_id: The loom's id.
        clock: When checkpoints are made.
        lock_timeout_seconds: How long to wait for another process that makes a checkpoint.
    """

    def __init__(
        self, folder: Path, home: Path, loom_id: str, clock: Clock, *, lock_timeout_seconds: float = 30.0
    ) -> None:
        self.folder = folder
        self.home = home
        self.state = LoomState(home, loom_id)
        self.history = History(folder / CHECKPOINTS)
        self.tree = TreeFiles(folder / CHECKPOINTS / "tree")
        self.witnessing = Witnessing(self.state, self.history, self.tree)
        self._signer = Signer(folder, self.state, self.history, self.tree, clock)
        self._lock_timeout_seconds = lock_timeout_seconds
        self._lock = threading.RLock()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the loom's notary for this thread of this process alone.

        Raises:
            WriteFailedError: What the system refused meanwhile.
        """
        try:
            with self._lock, locked(self.state.lock, timeout_seconds=self._lock_timeout_seconds):
                yield
        except OSError as error:
            if isinstance(error, ZaxyError):
                raise
            raise write_failed(self.history.path, error) from error

    # ---- keys

    def make_key(self) -> bool:
        """Make the signing key if the loom has none, and note where the loom lies. On return both are on disk.

        Returns:
            Whether the key is new.

        Raises:
            KeyUnavailableError: The loom's checkpoints are signed with a key that is not here.
        """
        with self.locked():
            is_new = not (self.state.has_key() and self.state.keys())
            if is_new:
                self.history.refresh()
                if self.history.size:
                    raise KeyUnavailableError(
                        "the loom's checkpoints are signed with a key that is not here; no checkpoint is made",
                        remedy=f"bring {self.state.folder} from where the loom was made, or check the loom as it is:"
                        " zaxy log verify --public-key KEY",
                    )
                self.state.make_key()
            if self.other_loom() is None:
                remember_place(self.home, self.folder, self.state.loom_id)
            return is_new

    def other_loom(self) -> str | None:
        """Return the id of another loom that was seen in this place before, or None."""
        known = known_at(self.home, self.folder)
        return known if known != self.state.loom_id else None

    def rotate_key(self, record: Callable[[dict[str, str], str], Event]) -> Rotated:
        """Put a new key in force, by an event that both keys signed. Run again after a crash, it goes on.

        Args:
            record: Appends the event: its payload, and its idempotency key.

        Raises:
            KeyUnavailableError: The key in force is not here.
            IntegrityError: The loom is not the one that was signed.
        """
        with self.locked():
            return Rotation(self.state, self._signer).run(record)

    def accept(self, reason: str, record: Callable[[dict[str, Any], str], Event]) -> Accepted:
        """Go on with a loom that is not the one that was signed, under a new origin: a backup that was put back.

        Args:
            reason: Why.
            record: Appends the event that tells of it: its payload, and its idempotency key.

        Raises:
            InvalidInputError: There is nothing to accept.
            IntegrityError: A session's own chain is broken.
        """
        with self.locked():
            acceptance = Acceptance(self.folder, self.state)
            if not acceptance.is_begun():
                acceptance.forget_disposable()
                acceptance.begin(verify_loom(self.folder, self.home, ask_witnesses=False), reason)
            acceptance.make_room()
            remember_place(self.home, self.folder, self.state.loom_id)
            self.history.refresh()
            accepted = acceptance.finish(record)
            self._signer.checkpoint([self.state.signing_key()])
            return accepted

    # ---- checkpoints

    def checkpoint(self) -> Checkpointed:
        """Sign all that is new. On return the checkpoint is on disk, pinned outside the loom.

        Raises:
            KeyUnavailableError: There is no key to sign with.
            IntegrityError: The loom is not the one that was signed before.
            WriteFailedError: The disk refused.
            BusyError: Another process makes one, for too long.
        """
        with self.locked():
            return self._signer.checkpoint([self.state.signing_key()])

    def checkpoint_if_free(self) -> Checkpointed | None:
        """As `checkpoint`, or None when somebody else is at it."""
        with self._lock:
            descriptor = try_lock(self.state.lock)
            if descriptor is None:
                return None
            try:
                return self._signer.checkpoint([self.state.signing_key()])
            finally:
                unlock(descriptor)

    def cosign(self, head: SignedHead) -> tuple[Witnessed, ...]:
        """Ask every witness that is set up to cosign the newest checkpoint. What they answer is in the result.

        Raises:
            WriteFailedError: A cosignature could not be kept.
        """
        if not self.state.witnesses():
            return ()
        with self.locked():
            self.history.refresh()
            return self.witnessing.cosign(head)

    # ---- proofs

    def prove(self, session_id: str, seq: int) -> EventProof:
        """Return a proof of one event that can be checked without the loom.

        An event that no checkpoint holds yet is taken into a new one first.

        Raises:
            NotFoundError: There is no such event.
            InvalidInputError: Its record does not say its number, as those of some other programs.
            KeyUnavailableError: It is in no checkpoint, and there is no key to make one.
            IntegrityError: The event is not the one that the checkpoint holds.
        """
        line = self._line(session_id, seq)
        if read_record(line).seq is None:
            raise InvalidInputError(
                f"event {seq} of session {session_id} does not say its own number: it cannot be proved alone"
            )
        with self._lock:
            self.history.refresh()
            leaf = self.history.leaf(session_id, seq)
            if leaf is None:
                self.checkpoint()
                leaf = self.history.leaf(session_id, seq)
            head = self.history.last
            if leaf is None or head is None:
                raise IntegrityError(
                    f"event {seq} of session {session_id} could not be taken into a checkpoint",
                    remedy="see what is wrong: zaxy log verify",
                )
            try:
                return self._proof(line, leaf, head)
            except (BadProofError, IntegrityError):  # a tree that was altered or cut is made again from the logs
                with self.locked():
                    self._rebuild(head, f"event {seq} of session {session_id} is not the one that the checkpoint holds")
                return self._proof(line, leaf, head)

    def _rebuild(self, head: SignedHead, otherwise: str) -> None:
        """Make the tree's files again; where the logs do not have its root, say what that means here."""
        try:
            self._signer.rebuild(head)
        except IntegrityError as error:
            raise IntegrityError(otherwise, remedy="see what is wrong: zaxy log verify") from error

    def _proof(self, line: bytes, leaf: int, head: SignedHead) -> EventProof:
        """Return a proof that holds."""
        if self.tree.read(0, leaf, 1)[0] != leaf_hash(line):
            raise BadProofError("the tree holds another leaf")
        hashes = inclusion_proof(self.tree, leaf, head.size)
        check_inclusion(leaf_hash(line), leaf, head.size, hashes, head.checkpoint.root)
        return EventProof(line, leaf, tuple(hashes), head.note)

    def _line(self, session_id: str, seq: int) -> bytes:
        layout = LogLayout.of(self.folder / f"{session_id}{LOG_SUFFIX}")
        line = raw_line(LogReader(layout), seq) if seq >= 1 else None
        if line is None:
            raise NotFoundError(
                f"there is no event {seq} in session {session_id}", remedy="see which exist: zaxy memory status"
            )
        return line

    def consistency(
        self, old: Note, new: Note, keys: Sequence[VerifierKey] = ()
    ) -> tuple[Checkpoint, Checkpoint, tuple[bytes, ...]]:
        """Show that a later checkpoint of this loom extends an earlier one.

        Args:
            old: The earlier one.
            new: The later one.
            keys: The public keys that count; none takes those of the state folder.

        Returns:
            Both, and the proof of RFC 6962, section 2.1.2, which was checked.

        Raises:
            BadProofError: One is not signed by a key that counts, or they are not of one history.
            InvalidInputError: The later one is smaller, or not of this loom.
        """
        trusted = [TrustedKey(key) for key in keys] or self.state.keys()
        first, second = (self._trusted(note, trusted) for note in (old, new))
        if first.origin != second.origin:
            raise InvalidInputError(f"the checkpoints are of two logs: {first.origin} and {second.origin}")
        if first.size > second.size:
            raise InvalidInputError(
                f"the first checkpoint is the later one: {first.size:,} events, then {second.size:,}",
                remedy="name the earlier one first",
            )
        with self._lock:
            self.history.refresh()
            if second.size > self.history.size:
                raise BadProofError(
                    f"the loom's checkpoints hold {self.history.size:,} events, the later one {second.size:,}",
                    remedy="see what is wrong: zaxy log verify",
                )
            proof = consistency_proof(self.tree, first.size, second.size)
        check_consistency(first.size, second.size, first.root, second.root, proof)
        return first, second, tuple(proof)

    @staticmethod
    def _trusted(note: Note, keys: Sequence[TrustedKey]) -> Checkpoint:
        checkpoint = parse_checkpoint(note.text)
        for trusted in keys:
            if note.signed_by(trusted.verifier) and (
                trusted.until_size is None or checkpoint.size <= trusted.until_size
            ):
                return checkpoint
        raise BadProofError(
            f"the checkpoint of {checkpoint.origin} of size {checkpoint.size:,} is not signed by a key that counts",
            remedy="name its key with --public-key",
        )

    def note_at(self, size: int | None) -> Note:
        """Return the signed note of the checkpoint of a size; None asks for the newest.

        Raises:
            NotFoundError: There is none of that size.
        """
        with self._lock:
            self.history.refresh()
            head = self.history.last if size is None else self.history.at(size)
        if head is None:
            which = "no checkpoint yet" if size is None else f"no checkpoint of size {size:,}"
            raise NotFoundError(f"the loom has {which}", remedy="make one: zaxy log checkpoint")
        return head.note

    def acknowledged(self, session_id: str) -> int:
        """Return the number of the last event of a session that is known to have been acknowledged, 0 for none."""
        seen = read_seen(self.state.seen).get(session_id)
        with self._lock:
            self.history.refresh()
            run = self.history.sessions().get(session_id)
        return max(seen.seq if seen is not None else 0, run.last_seq if run is not None else 0)


def verify_loom(
    folder: Path,
    home: Path | None,
    *,
    keys: Sequence[VerifierKey] = (),
    ask_witnesses: bool = True,
    progress: Progress | None = None,
) -> LoomReport:
    """Check a whole loom: every chain, its checkpoints, the pinned head, its witnesses. Never raises for what it finds.

    Args:
        folder: The loom.
        home: The state folder of all looms, None where there is none.
        keys: Public keys that count, instead of those of the state folder.
        ask_witnesses: Whether the witnesses that are set up are asked over the network.
        progress: Told how many sessions are done.
    """
    evidence = Evidence.gather(folder, home).trusting(keys)
    state = evidence.state
    audit = Audit(folder, evidence)
    ask = None
    if ask_witnesses and state is not None and evidence.witnesses:
        ask = Witnessing(state, audit.history, TreeFiles(folder / CHECKPOINTS / "tree")).confirm
    return audit.run(ask, progress)
