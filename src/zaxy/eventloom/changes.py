"""The change file: one short line in a loom-wide file for every append, so that a reader need not look at every log.

It is a hint, never synced: it names logs that grew, and whoever reads it then looks at those logs. What it cannot say
(a crash, another program that wrote, a restored copy) a sweep over the sizes of all logs finds.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from pathlib import Path
from typing import Final

from zaxy.eventloom.folder import is_file_name
from zaxy.files.cache import CacheFile, replace_cache
from zaxy.files.durable import read_at

logger = logging.getLogger("zaxy.eventloom")

_LONGEST_BYTES: Final = 4 * 1024 * 1024


class ChangeWriter:
    """Tells in the change file which logs grew. Callers hold the lock of the log they tell of.

    Args:
        path: The change file; made when missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = CacheFile(path)

    def note(self, session_id: str, seq: int) -> None:
        """Tell that a session's log now ends at ``seq``. Failing to is logged, not raised: readers then sweep."""
        try:
            if self._file.append(f"{session_id} {seq}\n".encode("ascii", "backslashreplace")) > _LONGEST_BYTES:
                start_anew(self._path)
        except OSError as error:
            logger.warning("the change file %s could not be written (%s); readers sweep instead", self._path, error)

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def start_anew(path: Path) -> None:
    """Replace the change file by an empty one; readers notice and sweep once.

    Raises:
        OSError: It could not be replaced.
    """
    replace_cache(path, f"# {secrets.token_hex(8)}\n".encode("ascii"))


class ChangeReader:
    """Tells which sessions changed since it was last asked.

    Args:
        path: The change file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = 0
        self._offset = -1

    def poll(self) -> set[str] | None:
        """Return the sessions that were appended to since the last call, or None when only a sweep can tell."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._offset = -1
            return None
        with contextlib.closing(_Descriptor(descriptor)):
            status = os.fstat(descriptor)
            if self._offset < 0 or status.st_ino != self._inode or status.st_size < self._offset:
                self._inode, self._offset = status.st_ino, status.st_size
                return None
            data = read_at(descriptor, self._offset, status.st_size - self._offset)
        whole = data.rfind(b"\n") + 1
        self._offset += whole
        names = {
            line.rsplit(b" ", 1)[0].decode("ascii", "replace") for line in data[:whole].split(b"\n") if b" " in line
        }
        return {name for name in names if is_file_name(name)}


class _Descriptor:
    """Lets ``contextlib.closing`` close a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def close(self) -> None:
        os.close(self._descriptor)
