"""A loom: the folder with the logs of all sessions."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from zaxy.clock import Clock, SystemClock
from zaxy.config import state_folder
from zaxy.errors import IntegrityError, InvalidInputError, KeyUnavailableError, NotFoundError, UnavailableError
from zaxy.eventloom.batch import Outcome
from zaxy.eventloom.changes import ChangeReader
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.folder import LogStat, find_link, is_file_name, log_stat, log_stats, make_identity, read_identity
from zaxy.eventloom.layout import LOG_SUFFIX
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.presence import Presence
from zaxy.eventloom.proof.automatic import AutomaticCheckpoints
from zaxy.eventloom.proof.places import has_key, pinned_at, seen_path
from zaxy.eventloom.proof.seen import SeenWriter
from zaxy.eventloom.sealing import LazySealer, SealerMaker
from zaxy.eventloom.writer import LOG_ACTOR, WriterOptions
from zaxy.ids import Citation, EventRef, check_session_id

if TYPE_CHECKING:
    from zaxy.eventloom.proof.acceptance import Accepted
    from zaxy.eventloom.proof.event_proof import EventProof
    from zaxy.eventloom.proof.history import SignedHead
    from zaxy.eventloom.proof.notary import Notary
    from zaxy.eventloom.proof.notes import VerifierKey
    from zaxy.eventloom.proof.report import LoomReport
    from zaxy.eventloom.proof.rotation import Rotated
    from zaxy.eventloom.proof.signing import Checkpointed
    from zaxy.eventloom.proof.state import WitnessSetting
    from zaxy.eventloom.proof.witnessing import Witnessed

_OPEN_LOGS: Final = 128


@dataclass(frozen=True, slots=True)
class CheckpointPolicy:
    """When automatic checkpoints are made.

    Attributes:
        events: After so many events, 0 for never.
        seconds: When the last one is so old and something is new, 0 for never.
    """

    events: int = 1_000
    seconds: int = 300


class Eventloom:
    """The logs of all sessions in one folder. Safe to share between threads.

    Args:
        path: The folder; made by the first append.
        clock: Where events get their recorded time from.
        options: How logs are written.
        state_path: Folder for keys and pinned heads, outside the loom; None means ``$XDG_STATE_HOME/zaxy``.
        checkpoints: When automatic checkpoints are made, for a loom that has a key.
        sealer: Makes what seals forgettable events; called when the first of them comes. None refuses them.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        clock: Clock | None = None,
        options: WriterOptions | None = None,
        state_path: Path | None = None,
        checkpoints: CheckpointPolicy | None = None,
        sealer: SealerMaker | None = None,
    ) -> None:
        if not str(path).strip():
            raise InvalidInputError("the path of the loom is empty", remedy="name a folder such as .eventloom")
        self.path = Path(path).absolute()
        if self.path.exists() and not self.path.is_dir():
            raise InvalidInputError(f"{self.path} is not a folder", remedy="name a folder such as .eventloom")
        self._clock = clock or SystemClock()
        self._options = options or WriterOptions()
        self._logs: OrderedDict[str, EventLog] = OrderedDict()
        self._lock = threading.Lock()
        self._state_path = state_folder() if state_path is None else state_path
        self._notary: Notary | None = None
        self._notary_process = 0
        self._has_no_links = False
        self._presence = Presence(self.path)
        self._sealer = LazySealer(sealer, self.identity, self.ensure_identity)
        policy = checkpoints or CheckpointPolicy()
        self._automatic = AutomaticCheckpoints(
            self._signing_notary, self._pinned_at, self._clock, events=policy.events, seconds=policy.seconds
        )

    def log(self, session_id: str) -> EventLog:
        """Return the log of a session; it need not exist yet.

        Raises:
            InvalidInputError: The name leads out of the loom.
        """
        if not is_file_name(session_id):
            raise InvalidInputError(
                f"session id {session_id[:80]!r} is not valid", remedy="name a session of this loom"
            )
        self.refuse_unusable()
        with self._lock:
            log = self._logs.pop(session_id, None)
            if log is None:
                log = EventLog(
                    self.path / f"{session_id}{LOG_SUFFIX}",
                    clock=self._clock,
                    options=self._options,
                    seen=SeenWriter(self._seen_path),
                    acknowledged_seq=partial(self._acknowledged, session_id),
                    sealer=self._sealer,
                )
            self._logs[session_id] = log
            while len(self._logs) > _OPEN_LOGS:
                self._logs.popitem(last=False)[1].close()
            return log

    def refuse_unusable(self) -> None:
        """Refuse a loom with a symbolic link in it, and one that is not there any more.

        Links are looked for once: what this process makes are none.

        Raises:
            UnavailableError: There is a link, or the loom is gone, or is another one than before.
        """
        self._presence.check()
        if self._has_no_links:
            return
        link = find_link(self.path)
        if link is not None:
            raise UnavailableError(
                f"{link} is a link, and a loom that holds one is not used", remedy="put the file itself there"
            )
        self._has_no_links = True

    def sessions(self) -> list[str]:
        """Return the ids of all sessions that have a log, sorted."""
        return sorted(self.stats())

    def stats(self) -> dict[str, LogStat]:
        """Return what the file system says of every session's log: one look at the folder, no file is opened.

        Raises:
            UnavailableError: The loom holds a symbolic link.
        """
        self.refuse_unusable()
        return log_stats(self.path)

    def stat(self, session_id: str) -> LogStat | None:
        """Return what the file system says of one session's log, or None when it has none."""
        return log_stat(self.path, session_id)

    def changes(self) -> ChangeReader:
        """Return a reader of the change file, which tells which sessions were appended to."""
        return ChangeReader(self.path / ".zaxy" / "changes")

    def append(self, session_id: str, event_type: str, actor: str, payload: Mapping[str, Any] | None = None) -> Event:
        """Record one event in a session. On return it is on disk. Errors as `EventLog.append`."""
        return self.commit(session_id, [Draft(event_type, actor, payload if payload is not None else {})])[0].event

    def commit(self, session_id: str, drafts: Sequence[Draft]) -> list[Outcome]:
        """Record events in a session, all or none. On return they are on disk. Errors as `EventLog.append`."""
        check_session_id(session_id)
        outcomes = self.log(session_id).commit(drafts)
        self._presence.remember()
        self._automatic.note(len(outcomes))
        return outcomes

    def rotate(self, session_id: str) -> str | None:
        """Close a session's active file into the archive and make a checkpoint. As `EventLog.rotate`."""
        closed = self.log(session_id).rotate()
        self._automatic.now()
        return closed

    def read(self, ref: EventRef) -> Event | None:
        """Return one event, checked against its hash, or None when there is no sound one."""
        return self.log(ref.session_id).read(ref.seq)

    def read_many(self, refs: Iterable[EventRef]) -> dict[EventRef, Event]:
        """Return events as `read` does, each file opened once; what the loom does not hold is left out."""
        wanted: dict[str, list[int]] = {}
        for ref in refs:
            wanted.setdefault(ref.session_id, []).append(ref.seq)
        return {
            event.ref: event
            for session_id, seqs in wanted.items()
            for event in self.log(session_id).reader.read_many(seqs).values()
        }

    def resolve(self, citation: Citation) -> Event:
        """Return the event that a citation names.

        Raises:
            NotFoundError: There is no sound event in that place.
            IntegrityError: The event there has another hash.
        """
        event = self.read(citation.ref)
        if event is None:
            raise NotFoundError(
                f"there is no event at {citation}", remedy="see which sessions exist: zaxy memory status"
            )
        if not event.hash.removeprefix("sha256:").startswith(citation.hash_prefix):
            raise IntegrityError(f"the event at {citation} has the hash {event.hash}", remedy="run: zaxy status")
        return event

    def identity(self) -> str | None:
        """Return the loom's id, or None when it has none yet.

        Raises:
            IntegrityError: ``loom.json`` does not hold one.
        """
        return read_identity(self.path)

    def ensure_identity(self) -> str:
        """Return the loom's id, making a random one for a new loom."""
        self.refuse_unusable()
        return make_identity(self.path, lock_timeout_seconds=self._options.lock_timeout_seconds)

    # ---- proof

    def notary(self) -> Notary:
        """Return what makes this loom's checkpoints and proofs.

        Raises:
            KeyUnavailableError: The loom has no id yet, or there is no folder for its state.
        """
        if self._notary is None or self._notary_process != os.getpid():  # a thread may have held its lock at a fork
            from zaxy.eventloom.proof.notary import Notary

            self.refuse_unusable()
            if self._state_path is None:
                raise KeyUnavailableError(
                    "there is no signing key, and no folder for one: the home folder is not known",
                    remedy="set HOME, or XDG_STATE_HOME",
                )
            loom_id = self.identity()
            if loom_id is None:
                raise KeyUnavailableError(f"the loom {self.path} has no signing key", remedy="make one: zaxy init")
            self._notary = Notary(
                self.path,
                self._state_path,
                loom_id,
                self._clock,
                lock_timeout_seconds=self._options.lock_timeout_seconds,
            )
            self._notary_process = os.getpid()
        return self._notary

    def _signing_notary(self) -> Notary | None:
        """Return the notary of a loom that has a key, else None."""
        if self._notary is None and (self._state_path is None or self.identity() is None):
            return None
        notary = self.notary()
        return notary if notary.state.has_key() else None

    def _state_folder(self) -> Path | None:
        """Return the state folder of a loom that has a key. Every append asks: nothing that signs is imported here."""
        loom_id = None if self._state_path is None else self.identity()
        if self._state_path is None or loom_id is None:
            return None
        folder = self._state_path / loom_id
        return folder if has_key(folder) else None

    def _seen_path(self) -> Path | None:
        folder = self._state_folder()
        return None if folder is None else seen_path(folder)

    def _pinned_at(self) -> int:
        folder = self._state_folder()
        return self._clock.now() if folder is None else pinned_at(folder)

    def _acknowledged(self, session_id: str) -> int:
        """Return up to which event a session is known to have been acknowledged: asked before a tail is cut."""
        notary = self._signing_notary()
        return notary.acknowledged(session_id) if notary is not None else 0

    def ensure_key(self) -> bool:
        """Make the loom's id and its signing key where they are missing. On return they are on disk.

        Returns:
            Whether the key is new.

        Raises:
            KeyUnavailableError: There is no folder for the loom's state.
            WriteFailedError: The disk refused.
        """
        self.ensure_identity()
        return self.notary().make_key()

    def checkpoint(self) -> Checkpointed:
        """Sign all that is new in any session. Errors as `Notary.checkpoint`."""
        return self.notary().checkpoint()

    def cosign(self, head: SignedHead) -> tuple[Witnessed, ...]:
        """Ask every witness that is set up to cosign a checkpoint. Errors as `Notary.cosign`."""
        return self.notary().cosign(head)

    def add_witness(self, url: str, key: str) -> WitnessSetting:
        """Ask a witness from now on. Errors as `Witnessing.add`."""
        notary = self.notary()
        with notary.locked():
            return notary.witnessing.add(url, key)

    def remove_witness(self, name: str) -> WitnessSetting:
        """Ask a witness no more. Errors as `Witnessing.remove`."""
        notary = self.notary()
        with notary.locked():
            return notary.witnessing.remove(name)

    def rotate_key(self, session_id: str) -> Rotated:
        """Put a new signing key in force. Errors as `Notary.rotate_key`.

        Args:
            session_id: The session that the event goes into that tells of it.
        """
        return self.notary().rotate_key(self._teller(session_id, "log.key.rotated"))

    def accept(self, session_id: str, reason: str) -> Accepted:
        """Go on with a loom that is not the one that was signed, such as a restored backup. Errors as `Notary.accept`.

        Args:
            session_id: The session that the event goes into that tells of it.
            reason: Why.
        """
        return self.notary().accept(reason, self._teller(session_id, "log.restored"))

    def _teller(self, session_id: str, event_type: str) -> Callable[[dict[str, Any], str], Event]:
        """Return what records an event by which the log tells of itself: once, whatever is repeated."""

        def record(payload: dict[str, Any], key: str) -> Event:
            return self.log(session_id).commit([Draft(event_type, LOG_ACTOR, payload, key)])[0].event

        return record

    def prove(self, session_id: str, seq: int) -> EventProof:
        """Return a proof of one event that `check_event_proof` checks without the loom. Errors as `Notary.prove`."""
        return self.notary().prove(session_id, seq)

    def verify(
        self,
        *,
        keys: Sequence[VerifierKey] = (),
        ask_witnesses: bool = True,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> LoomReport:
        """Check every chain, the checkpoints over them, the pinned head and the witnesses.

        Args:
            keys: Public keys that count, instead of those of the state folder.
            ask_witnesses: Whether witnesses that are set up are asked over the network.
            progress: Told how many sessions are done.

        Returns:
            How far the loom is good, at which level, and what that level cannot see. Never raises for what is found.

        Raises:
            NotFoundError: There is no such loom.
        """
        from zaxy.eventloom.proof.notary import verify_loom

        self.refuse_unusable()
        if not self.path.is_dir():
            raise NotFoundError(f"there is no loom at {self.path}", remedy="make one: zaxy init")
        return verify_loom(self.path, self._state_path, keys=keys, ask_witnesses=ask_witnesses, progress=progress)

    def close(self) -> None:
        """Release all files; a checkpoint that is due is made first. The loom can be used again afterwards."""
        self._automatic.close()
        with self._lock:
            for log in self._logs.values():
                log.close()
            self._logs.clear()
