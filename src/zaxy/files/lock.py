"""Locks between processes: ``flock`` on a side file, never on the data.

``flock`` and not ``fcntl`` record locks, because those vanish when any descriptor of the file is closed in the process.
The lock file is opened anew for each hold, so that a forked child shares no hold with its parent, and released with
``LOCK_UN`` before it is closed, so that a child forked meanwhile does not keep it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from zaxy.errors import BusyError, ZaxyError
from zaxy.files.durable import FILE_MODE, close_quietly, make_directories, write_failed
from zaxy.files.posix import fcntl, require_posix

_FIRST_PAUSE_SECONDS: Final = 0.000_2
_LONGEST_PAUSE_SECONDS: Final = 0.02


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        try:
            return os.open(path, flags, FILE_MODE)
        except FileNotFoundError:
            make_directories(path.parent)
            return os.open(path, flags, FILE_MODE)
    except OSError as error:
        if isinstance(error, ZaxyError):
            raise
        raise write_failed(path, error) from error


def _still_named(descriptor: int, path: Path) -> bool:
    """Whether the locked file is still the one under its name (somebody may have removed the folder)."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def try_lock(path: Path) -> int | None:
    """Take the lock if nobody has it.

    System calls: ``open(O_CREAT)``, ``flock(LOCK_EX|LOCK_NB)``, ``fstat``, ``stat``.

    Returns:
        A descriptor to hand to `unlock`, or None when another holder has it.

    Raises:
        WriteFailedError: The lock file cannot be made.
    """
    require_posix()
    while True:
        descriptor = _open(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return None
            raise write_failed(path, error) from error
        if _still_named(descriptor, path):
            return descriptor
        os.close(descriptor)


def unlock(descriptor: int) -> None:
    """Give a lock back; nothing is raised, since what was done under it is done.

    System calls: ``flock(LOCK_UN)``, ``close``.
    """
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        close_quietly(descriptor)


@contextlib.contextmanager
def locked(path: Path, *, timeout_seconds: float) -> Iterator[None]:
    """Hold the lock for the length of a ``with`` block.

    Args:
        path: The side file; its folder is made when missing.
        timeout_seconds: How long to wait for another holder.

    Raises:
        BusyError: Another holder kept it for longer than that.
        WriteFailedError: The lock file cannot be made.
    """
    deadline = time.monotonic() + timeout_seconds
    pause = _FIRST_PAUSE_SECONDS
    while (descriptor := try_lock(path)) is None:
        if time.monotonic() >= deadline:
            raise BusyError(
                f"another process has held {path} for more than {timeout_seconds:g} seconds",
                remedy="try again, or stop the process that holds it",
            )
        time.sleep(pause)  # flock has no wait with a limit, and an unlimited one would hang behind a stopped process
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
    try:
        yield
    finally:
        unlock(descriptor)
