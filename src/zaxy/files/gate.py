"""Keeps readers of a database file out while it is rewritten in place, across processes.

A checkpoint of the embedded database overwrites pages of the one file that readers have open, and a reader that then
loads a page it did not hold yet gets another version's bytes without any error. So a read holds the gate shared, and
whatever rewrites the file holds it alone. Both are short. A commit only adds to the log beside the file.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from zaxy.errors import BusyError
from zaxy.files.durable import FILE_MODE
from zaxy.files.posix import fcntl

_FIRST_PAUSE_SECONDS: Final = 0.000_1
_LONGEST_PAUSE_SECONDS: Final = 0.01


class Gate:
    """One holder's view of the gate. Not shared between threads: callers hold their own lock around it.

    Args:
        path: The side file. Made when missing; on read-only storage there may be none, and nothing to keep out.

    Raises:
        OSError: It is there and cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = self._open()

    def _open(self) -> int | None:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError:
            pass
        try:
            return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def shared(self, *, timeout_seconds: float) -> Iterator[None]:
        """Hold the gate together with other readers.

        Raises:
            BusyError: The file was being rewritten for longer than that.
        """
        with self._held(fcntl.LOCK_SH, timeout_seconds):
            yield

    @contextlib.contextmanager
    def alone(self, *, timeout_seconds: float) -> Iterator[None]:
        """Hold the gate with no reader inside.

        Raises:
            BusyError: Readers did not leave for longer than that.
        """
        with self._held(fcntl.LOCK_EX, timeout_seconds):
            yield

    @contextlib.contextmanager
    def _held(self, kind: int, timeout_seconds: float) -> Iterator[None]:
        if self._descriptor is None:
            yield
            return
        deadline = time.monotonic() + timeout_seconds
        pause = _FIRST_PAUSE_SECONDS
        while not self._take(self._descriptor, kind):
            if time.monotonic() >= deadline:
                raise BusyError(f"{self._path} was held for more than {timeout_seconds:g} seconds", remedy="try again")
            time.sleep(pause)  # flock has no wait with a limit, and one without would hang behind a stopped process
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    @staticmethod
    def _take(descriptor: int, kind: int) -> bool:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Release the side file. Calling it twice is fine."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
