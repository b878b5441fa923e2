"""Taking in records that another loom sealed, as they are: same bytes, same numbers, same hashes, same citations."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from zaxy.errors import IntegrityError, InvalidInputError
from zaxy.eventloom.changes import ChangeWriter
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.reader import LogFindingError
from zaxy.eventloom.records import BadRecordError
from zaxy.eventloom.scan import ChainState, check_content
from zaxy.eventloom.tail import find_tail
from zaxy.files.durable import append_durably, close_quietly, make_directories, open_log
from zaxy.files.lock import locked
from zaxy.ids import check_session_id

_BATCH_BYTES: Final = 4 * 1024 * 1024
_LOCK_SECONDS: Final = 30.0


class OtherHistoryError(InvalidInputError):
    """Raised when a session holds another event than the one that is to be taken in; it is left as it is."""

    code = "other_history"


class Adoption:
    """Takes the records of one session into its log, in order, each checked against its hash and its predecessor.

    Records that the log holds already are passed over; what follows them is appended. So taking in the same records
    again adds nothing, and one that was broken off goes on where it ended.

    Args:
        log: The session's log; it need not exist yet.
        permit: Called before anything is written; what it raises goes to the caller, and nothing is written.

    Raises:
        InvalidInputError: The session's name is not valid.
    """

    def __init__(self, log: EventLog, permit: Callable[[], object] = bool) -> None:
        check_session_id(log.session_id)
        self._log = log
        self._permit = permit
        self._held: Iterator[bytes] | None = _raw_lines(log)
        self._state = ChainState()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self.added = 0
        """How many records were appended. They are on disk after `finish`."""
        self.known = 0
        """How many the log held already."""

    def add(self, line: bytes) -> None:
        """Take one record.

        Args:
            line: The record's line without its newline.

        Raises:
            OtherHistoryError: The log holds another record in this place, or its records come from somewhere else.
            IntegrityError: The record does not have the hash that it names, or does not follow the one before.
            ZaxyError: The log cannot be written.
        """
        state = self._checked(line)
        held = None if self._held is None else next(self._held, None)
        if held is not None and held != line:
            raise OtherHistoryError(
                f"session {self._log.session_id!r} holds another event {state.seq} than this record",
                remedy="import into a loom of its own: --eventloom-path FOLDER",
            )
        self._state = state
        if held is not None:
            self.known += 1
            return
        self._held = None
        self._waiting.append(line)
        self._waiting_bytes += len(line) + 1
        if self._waiting_bytes >= _BATCH_BYTES:
            self.finish()

    @property
    def count(self) -> int:
        """How many records were taken, whether they were there before or not."""
        return self._state.seq

    def finish(self) -> None:
        """Append what is still waiting. On return all that was taken is on disk.

        Raises:
            ZaxyError: The log cannot be written.
        """
        if self._waiting:
            self._permit()
            self._write()
            self.added += len(self._waiting)
            self._waiting, self._waiting_bytes = [], 0

    def _checked(self, line: bytes) -> ChainState:
        try:
            step = check_content(0, line, self._state)
        except BadRecordError as error:
            raise IntegrityError(error.message, remedy="export it again from the loom that it is from") from error
        if step.seq != self._state.seq + 1:
            raise IntegrityError(f"the records begin with event {step.seq}", remedy="take the whole session's export")
        thread = step.record.members.get("threadId", self._log.session_id)
        if thread != self._log.session_id:
            raise OtherHistoryError(f"event {step.seq} belongs to session {str(thread)[:80]!r}")
        return ChainState(step.seq, step.record.digest)

    def _write(self) -> None:
        """Append the waiting records behind a tail that is in order, and leave out what is there already.

        System calls: the lock's; those of `open_log`, `find_tail` and `append_durably`; ``write`` to the change file.
        """
        layout, reader = self._log.layout, self._log.reader
        make_directories(layout.folder)
        with locked(layout.lock, timeout_seconds=_LOCK_SECONDS):
            descriptor = open_log(layout.active, create=True)
            try:
                self._pass_over(find_tail(layout, descriptor, reader.acknowledged_seq).state.seq)
                data = b"".join(b"%b\n" % line for line in self._waiting)
                size = os.fstat(descriptor).st_size
                append_durably(descriptor, data, size=size, path=layout.active, synced=True)
                find_tail(layout, descriptor, reader.acknowledged_seq)  # the side index: now it counts as acknowledged
            finally:
                close_quietly(descriptor)
            changes = ChangeWriter(layout.changes)
            changes.note(layout.session_id, self._state.seq)
            changes.close()

    def _pass_over(self, last_seq: int) -> None:
        """Drop the first of the waiting records where another process took them in meanwhile."""
        before = self._state.seq - len(self._waiting)
        held = list(islice(_raw_lines(self._log), before, self._state.seq)) if last_seq > before else []
        if last_seq < before or held != self._waiting[: len(held)]:
            raise OtherHistoryError(
                f"session {self._log.session_id!r} was written to meanwhile", remedy="run the import again"
            )
        self.known += len(held)
        self._waiting = self._waiting[len(held) :]


def _raw_lines(log: EventLog) -> Iterator[bytes]:
    """Yield the lines of a log, checked, without newlines; none where there is no log.

    Raises:
        IntegrityError: The log is damaged.
    """
    if not log.path.exists() and not log.layout.closed_segments():
        return
    try:
        for stretch in log.reader.stretches(list):
            yield from stretch.hashes
    except LogFindingError as finding:
        if finding.code != "torn":
            raise log.reader.refusal(finding) from finding
