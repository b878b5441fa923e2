"""Opening the files of one session for reading, while another process may be closing one of them.

A rotation renames the active file into the archive. Whoever looks at the archive first and at the active file then may
miss the file that moved between; so a look that does not add up is taken again.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Final

from zaxy.errors import UnavailableError
from zaxy.eventloom.index import LogIdentity, SideIndex
from zaxy.eventloom.layout import LogLayout, Segment
from zaxy.eventloom.records import BadRecordError, read_record
from zaxy.eventloom.scan import read_line

_LOOKS: Final = 8


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
        self.index = SideIndex(layout.index(segment.first_seq), LogIdentity(self.inode, segment.first_seq))

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
        os.close(self.descriptor)


class LogFiles:
    """The files of one session. Safe to share between threads.

    Args:
        layout: Where they are.
    """

    def __init__(self, layout: LogLayout) -> None:
        self._layout = layout
        self._first: tuple[int, int] | None = None

    def holding(self, seq: int) -> OpenFile | None:
        """Open the file that holds an event, or would hold it if the log were longer; None when there is none."""
        closed = self._layout.closed_segments()
        for _ in range(_LOOKS):
            for segment in closed:
                if segment.first_seq <= seq <= (segment.last_seq or 0):
                    return OpenFile(self._layout, segment, _open(segment.path))
            active = self._open_active(closed)
            if active is not None:
                if active.segment.first_seq <= seq:
                    return active
                active.__exit__(None, None, None)
            before, closed = closed, self._layout.closed_segments()
            if closed == before:
                return None
        return None

    def _open_active(self, closed: list[Segment]) -> OpenFile | None:
        try:
            descriptor = _open(self._layout.active)
        except FileNotFoundError:
            return None
        try:
            status = os.fstat(descriptor)
            if status.st_size == 0:
                os.close(descriptor)
                return None
            if self._first is None or self._first[0] != status.st_ino:
                fallback = (closed[-1].last_seq or 0) + 1 if closed else self._layout.first_seq
                self._first = (status.st_ino, _first_seq(descriptor, fallback))
            return OpenFile(self._layout, Segment(self._layout.active, self._first[1]), descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def last(self) -> OpenFile | None:
        """Open the file that holds the last event, or None when there is none."""
        closed = self._layout.closed_segments()
        for _ in range(_LOOKS):
            active = self._open_active(closed)
            before, closed = closed, self._layout.closed_segments()
            if active is not None:
                return active
            if closed == before:
                break
        if not closed:
            return None
        return OpenFile(self._layout, closed[-1], _open(closed[-1].path))

    def all(self) -> list[OpenFile]:
        """Open every file, oldest first. The caller holds the log's lock and closes them."""
        closed = self._layout.closed_segments()
        opened = [OpenFile(self._layout, segment, _open(segment.path)) for segment in closed]
        active = self._open_active(closed)
        return opened if active is None else [*opened, active]

    def begins_behind(self, seq: int) -> bool:
        """Return whether there are events behind a place that no file holds: something is missing there."""
        closed = self._layout.closed_segments()
        if any(segment.first_seq > seq for segment in closed):
            return True
        active = self._open_active(closed)
        if active is None:
            return False
        with active:
            return active.segment.first_seq > seq


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError as error:
        raise UnavailableError(f"{path} cannot be read: {error.strerror}", remedy="check who may read it") from error


def _first_seq(descriptor: int, fallback: int) -> int:
    """Return the number of a file's first record; the fallback where that carries none or is not sound."""
    try:
        line = read_line(descriptor, 0)
        seq = read_record(line.data).seq if line else None
    except BadRecordError:
        seq = None
    return fallback if seq is None else seq
