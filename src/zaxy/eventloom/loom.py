"""A loom: the folder with the logs of all sessions."""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from zaxy.clock import Clock, SystemClock
from zaxy.errors import IntegrityError, InvalidInputError, NotFoundError
from zaxy.eventloom.batch import Outcome
from zaxy.eventloom.changes import ChangeReader
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.layout import LOG_SUFFIX
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.writer import WriterOptions
from zaxy.files.durable import make_directories, replace_file
from zaxy.files.lock import locked
from zaxy.ids import Citation, EventRef, check_session_id

_OPEN_LOGS: Final = 128
LOOM_FORMAT: Final = "zaxy-loom/1"


@dataclass(frozen=True, slots=True)
class LogStat:
    """What the file system says of one session's active file, to tell cheaply whether it changed.

    Attributes:
        inode: Its inode, 0 when a session has closed segments only.
        size: Its size in bytes.
        modified: Its modification time in nanoseconds.
    """

    inode: int
    size: int
    modified: int


class Eventloom:
    """The logs of all sessions in one folder. Safe to share between threads.

    Args:
        path: The folder; made by the first append.
        clock: Where events get their recorded time from.
        options: How logs are written.
    """

    def __init__(self, path: str | Path, *, clock: Clock | None = None, options: WriterOptions | None = None) -> None:
        if not str(path).strip():
            raise InvalidInputError("the path of the loom is empty", remedy="name a folder such as .eventloom")
        self.path = Path(path).absolute()
        if self.path.exists() and not self.path.is_dir():
            raise InvalidInputError(f"{self.path} is not a folder", remedy="name a folder such as .eventloom")
        self._clock = clock or SystemClock()
        self._options = options or WriterOptions()
        self._logs: OrderedDict[str, EventLog] = OrderedDict()
        self._lock = threading.Lock()

    def log(self, session_id: str) -> EventLog:
        """Return the log of a session; it need not exist yet.

        Raises:
            InvalidInputError: The name leads out of the loom.
        """
        if session_id in ("", ".", "..") or "/" in session_id or "\0" in session_id:
            raise InvalidInputError(
                f"session id {session_id[:80]!r} is not valid", remedy="name a session of this loom"
            )
        with self._lock:
            log = self._logs.pop(session_id, None)
            if log is None:
                log = EventLog(self.path / f"{session_id}{LOG_SUFFIX}", clock=self._clock, options=self._options)
            self._logs[session_id] = log
            while len(self._logs) > _OPEN_LOGS:
                self._logs.popitem(last=False)[1].close()
            return log

    def sessions(self) -> list[str]:
        """Return the ids of all sessions that have a log, sorted."""
        return sorted(self.stats())

    def stats(self) -> dict[str, LogStat]:
        """Return what the file system says of every session's log: one look at the folder, no file is opened."""
        found: dict[str, LogStat] = {}
        try:
            with os.scandir(self.path / "archive") as entries:
                found = {entry.name: LogStat(0, 0, 0) for entry in entries if entry.is_dir()}
        except (FileNotFoundError, NotADirectoryError):
            pass
        try:
            with os.scandir(self.path) as entries:
                for entry in entries:
                    if entry.name.endswith(LOG_SUFFIX) and entry.name != LOG_SUFFIX and entry.is_file():
                        status = entry.stat()
                        session_id = entry.name[: -len(LOG_SUFFIX)]
                        found[session_id] = LogStat(status.st_ino, status.st_size, status.st_mtime_ns)
        except (FileNotFoundError, NotADirectoryError):
            return found
        return found

    def stat(self, session_id: str) -> LogStat | None:
        """Return what the file system says of one session's log, or None when it has none."""
        try:
            status = os.stat(self.path / f"{session_id}{LOG_SUFFIX}")
        except OSError:
            return LogStat(0, 0, 0) if (self.path / "archive" / session_id).is_dir() else None
        return LogStat(status.st_ino, status.st_size, status.st_mtime_ns)

    def changes(self) -> ChangeReader:
        """Return a reader of the change file, which tells which sessions were appended to."""
        return ChangeReader(self.path / ".zaxy" / "changes")

    def append(self, session_id: str, event_type: str, actor: str, payload: Mapping[str, Any] | None = None) -> Event:
        """Record one event in a session. On return it is on disk. Errors as `EventLog.append`."""
        return self.commit(session_id, [Draft(event_type, actor, payload if payload is not None else {})])[0].event

    def commit(self, session_id: str, drafts: Sequence[Draft]) -> list[Outcome]:
        """Record events in a session, all or none. On return they are on disk. Errors as `EventLog.append`."""
        check_session_id(session_id)
        return self.log(session_id).commit(drafts)

    def read(self, ref: EventRef) -> Event | None:
        """Return one event, checked against its hash, or None when there is no sound one."""
        return self.log(ref.session_id).read(ref.seq)

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
        try:
            raw = (self.path / "loom.json").read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            loom_id = json.loads(raw)["loom_id"]
            if not isinstance(loom_id, str) or not loom_id:
                raise TypeError(loom_id)
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(
                f"{self.path / 'loom.json'} holds no loom id", remedy="restore it from a backup"
            ) from error
        return loom_id

    def ensure_identity(self) -> str:
        """Return the loom's id, making a random one for a new loom."""
        known = self.identity()
        if known is not None:
            return known
        make_directories(self.path)
        with locked(self.path / ".zaxy" / "locks" / "loom", timeout_seconds=self._options.lock_timeout_seconds):
            known = self.identity()
            if known is not None:  # another process made it while this one waited
                return known
            loom_id = secrets.token_hex(16)
            told = {"format": LOOM_FORMAT, "loom_id": loom_id}
            replace_file(self.path / "loom.json", json.dumps(told).encode() + b"\n")
            return loom_id

    def close(self) -> None:
        """Release all files. The loom can be used again afterwards."""
        with self._lock:
            for log in self._logs.values():
                log.close()
            self._logs.clear()
