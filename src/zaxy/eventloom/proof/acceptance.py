"""Going on with a loom that is not the one that was signed: a backup that its owner put back on purpose.

What was signed stays signed, so nothing is taken back: the loom gets a new origin and a new key, and its history begins
anew over what it holds. An event tells of it, and what was known of the old history is kept.

Order of effects, each durable before the next: what the event will say, in the state folder; the loom's old history
under a name of its own; the old pinned head likewise; the new key; the list of keys, with the number of the new origin;
the old pinned head and what was acknowledged removed; the event; the note of what it says removed; the first
checkpoint. After a crash between any two, it is simply done again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from zaxy.errors import IntegrityError, InvalidInputError
from zaxy.eventloom.event import Event
from zaxy.eventloom.proof.history import History
from zaxy.eventloom.proof.report import LoomReport
from zaxy.eventloom.proof.state import LoomState
from zaxy.files.durable import move_file, remove_file

_MOST_FINDINGS: Final = 100


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was accepted.

    Attributes:
        event: The event that tells of it.
        previous_origin: The name that checkpoints had before.
        origin: The name that they have now.
        kept: Where the old history lies, None when the loom had none.
    """

    event: Event
    previous_origin: str
    origin: str
    kept: str | None


class Acceptance:
    """Gives a loom a new origin. The caller holds the state's lock.

    Args:
        folder: The loom.
        state: Its keys and its pinned head.
    """

    def __init__(self, folder: Path, state: LoomState) -> None:
        self._checkpoints = folder / "checkpoints"
        self._disposable = folder / ".zaxy"
        self._state = state

    def is_begun(self) -> bool:
        """Whether a crash ended one: then there is only the rest to do."""
        return self._state.accepting() is not None

    def forget_disposable(self) -> None:
        """Remove what the loom noted of the state before: side indexes prove what was acknowledged in another one."""
        for name in ("index", "damaged"):
            folder = self._disposable / name
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                remove_file(path)

    def begin(self, report: LoomReport, reason: str) -> None:
        """Note what will be told. On return it is on disk.

        Args:
            report: What a verification just found.
            reason: Why the loom's owner accepts it.

        Raises:
            InvalidInputError: There is nothing to accept, or no reason was given.
            IntegrityError: A session's own chain is broken: that cannot be accepted.
        """
        if not reason.strip():
            raise InvalidInputError("a loom is not accepted without a reason", remedy="say why with --reason TEXT")
        if report.ok:
            raise InvalidInputError("there is nothing to accept: the loom is the one that was signed")
        broken = next((session for session in report.sessions if not session.ok and session.total_events), None)
        if broken is not None:
            raise IntegrityError(
                f"session {broken.session_id} is damaged at event {broken.broken_at_seq}: that cannot be accepted",
                remedy="restore its file from a backup, then run: zaxy log verify",
            )
        pinned = self._state.pinned()
        signed = None if pinned is None else {"size": pinned.size, "root": pinned.checkpoint.root.hex()}
        found = [{"code": each.code, "session_id": each.session_id, "seq": each.seq} for each in report.findings]
        told = {"reason": reason, "previous_origin": self._state.origin, "signed": signed}
        self._state.begin_accepting({**told, "findings": found[:_MOST_FINDINGS]})

    def make_room(self) -> None:
        """Set the old history aside and put a new origin in force. On return both are on disk."""
        told = self._state.accepting() or {}
        if told["previous_origin"] != self._state.origin:
            return
        history = History(self._checkpoints)
        if os.path.exists(history.path):
            move_file(history.path, self._kept(self._state.epoch))
        self._state.begin_epoch()

    def _kept(self, epoch: int) -> Path:
        return self._checkpoints / f"history.{epoch}.jsonl"

    def finish(self, record: Callable[[dict[str, Any], str], Event]) -> Accepted:
        """Record the event that tells of it. On return it is on disk.

        Args:
            record: Appends it: its payload, and its idempotency key.
        """
        told = self._state.accepting() or {}
        previous, kept = told["previous_origin"], self._kept(self._state.epoch - 1)
        event = record(told, f"zaxy-restored:{previous}")
        self._state.end_accepting()
        return Accepted(event, previous, self._state.origin, str(kept) if kept.exists() else None)
