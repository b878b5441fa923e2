"""Writing what can be made again: side indexes, change files, marks, private copies. Nothing here is ever synced."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from pathlib import Path

from zaxy.files.durable import FILE_MODE, close_quietly, write_all


def append_cache(path: Path, data: bytes) -> None:
    """Append to a disposable file: one ``write``, never synced; made when it is missing.

    Raises:
        OSError: As the system reports it. The file can be rebuilt, so callers decide what that means.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    try:
        write_all(descriptor, data)
    finally:
        os.close(descriptor)


class CacheFile:
    """A disposable file that one process appends to often: kept open while its name stays on it.

    Args:
        path: The file; made when missing, its folder too.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._process = 0

    def append(self, data: bytes) -> int:
        """Append with one ``write``, never synced. System calls: ``fstat``, ``write``; ``open`` when it was replaced.

        Returns:
            The file's size before the write.

        Raises:
            OSError: As the system reports it. The file can be rebuilt, so callers decide what that means.
        """
        status = os.fstat(self._descriptor) if self._descriptor >= 0 and self._process == os.getpid() else None
        if status is None or status.st_nlink == 0:
            self.close()
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            try:
                self._descriptor = os.open(self._path, flags, FILE_MODE)
            except FileNotFoundError:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._descriptor = os.open(self._path, flags, FILE_MODE)
            self._process = os.getpid()
            status = os.fstat(self._descriptor)
        write_all(self._descriptor, data)
        return status.st_size

    def close(self) -> None:
        """Release the file; it is opened again when needed."""
        descriptor, self._descriptor = self._descriptor, -1  # a close that failed is not tried again
        if descriptor >= 0:
            close_quietly(descriptor)


def replace_cache(path: Path, data: bytes) -> None:
    """Replace a disposable file: written aside and renamed, never synced.

    Raises:
        OSError: As the system reports it; the old content stands.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        append_cache(temporary, data)
        os.rename(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def leave_mark(path: Path) -> None:
    """Make an empty file whose being there means something; where that is not possible, nothing is left.

    Not synced: whoever needs it can find out again.
    """
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))


def copy_files(source: Path, target: Path) -> None:
    """Copy the files of a folder, not its subfolders, into a new one: a private copy, not synced.

    Raises:
        OSError: As the system reports it.
    """
    target.mkdir()
    for path in source.iterdir():
        if path.is_file():
            shutil.copyfile(path, target / path.name)
