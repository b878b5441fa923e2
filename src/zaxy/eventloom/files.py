"""Opening the files of one session for reading, while another process may be closing one of them.

A rotation renames the active file into the archive. Whoever looks at the archive first and at the active file then may
miss the file that moved between; so the active file is opened first, and the archive is looked at after that.

Which events the active file holds, its first record says. That number is believed where the file's side index bears it
out or the record has the hash it names; else a changed digit would hide every event of the file.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from types import TracebackType
from typing import Final

from zaxy.errors import UnavailableError
from zaxy.eventloom.index import LogIdentity, SideIndex
from zaxy.eventloom.layout import LogLayout, Segment
from zaxy.eventloom.records import BadRecordError, check_record
from zaxy.eventloom.scan import read_line
from zaxy.files.durable import close_quietly

_START_BYTES: Final = 64
_START: Final = re.compile(rb'\{"(?:id":"evt_zaxy_(\d{12,18})_|seq":(\d{1,18}),)')
"""How the first record of a file begins when it carries its number."""


class OpenFile:
    """One file of a log, open for reading, with its side index; a context manager.

    Args:
        layout: The log's files.
        segment: Which one.
        descriptor: The open file, which this object closes.
    """

    def __init__(self, layout: LogLayout, segment: Segment, descriptor: int) -> None:
        self.segment = segment
        self.descriptor = descriptor
        status = os.fstat(descriptor)
        self.inode, self.size = status.st_ino, status.st_size
        self.index = SideIndex(layout.index_name(segment.first_seq), LogIdentity(self.inode, segment.first_seq))

    @property
    def is_active(self) -> bool:
        """Whether the file was the one that grows when it was opened."""
        return self.segment.last_seq is None

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.index.close()
        close_quietly(self.descriptor)


class LogFiles:
    """The files of one session. Safe to share between threads.

    Args:
        layout: Where they are.
    """

    def __init__(self, layout: LogLayout) -> None:
        self._layout = layout

    def holding(self, seq: int) -> OpenFile | None:
        """Open the file that holds an event, or would hold it if the log were longer; None when there is none."""
        active = self._open_active()
        if active is not None:
            if active.segment.first_seq <= seq:
                return active
            active.__exit__(None, None, None)
        for segment in self._layout.closed_segments():
            if segment.first_seq <= seq <= (segment.last_seq or 0):
                return OpenFile(self._layout, segment, _open(segment.path))
        return None

    def _open_active(self) -> OpenFile | None:
        try:
            descriptor = _open(self._layout.active)
        except FileNotFoundError:
            return None
        try:
            start = os.pread(descriptor, _START_BYTES, 0)
            if not start:
                os.close(descriptor)
                return None
            match = _START.match(start)
            first_seq = int(match[1] or match[2]) if match else 0
            file = OpenFile(self._layout, Segment(self._layout.active, first_seq), descriptor)
            if first_seq >= 1 and (file.index.fits or _is_sound(descriptor)):
                return file
            file.index.close()
            return OpenFile(self._layout, Segment(self._layout.active, self._next_seq()), descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def _next_seq(self) -> int:
        """Return the number that follows the archive: for a file whose first record carries none to be believed."""
        closed = self._layout.closed_segments()
        return (closed[-1].last_seq or 0) + 1 if closed else self._layout.first_seq

    def last(self) -> OpenFile | None:
        """Open the file that holds the last event, or None when there is none."""
        active = self._open_active()
        if active is not None:
            return active
        closed = self._layout.closed_segments()
        return OpenFile(self._layout, closed[-1], _open(closed[-1].path)) if closed else None

    def all(self) -> list[OpenFile]:
        """Open every file, oldest first. The caller holds the log's lock and closes them."""
        closed = self._layout.closed_segments()
        opened = [OpenFile(self._layout, segment, _open(segment.path)) for segment in closed]
        active = self._open_active()
        return opened if active is None else [*opened, active]

    def begins_behind(self, seq: int) -> bool:
        """Return whether there are events behind a place that no file holds: something is missing there."""
        active = self._open_active()
        if active is not None:
            with active:
                if active.segment.first_seq > seq:
                    return True
        return any(segment.first_seq > seq for segment in self._layout.closed_segments())


def _is_sound(descriptor: int) -> bool:
    """Whether the first record of a file has the hash it names, which covers its number."""
    line = read_line(descriptor, 0)
    try:
        return line is not None and bool(check_record(line.data))
    except BadRecordError:
        return False


def _open(path: Path) -> int:
    try:  # without waiting: a pipe must not keep a reader
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise UnavailableError(f"{path} cannot be read: {reason}", remedy="check who may read it") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        close_quietly(descriptor)
        raise UnavailableError(f"{path} is not a file", remedy="look at it with: ls -l")
    return descriptor
