"""Writing what can be made again: side indexes, change files, marks, private copies. Nothing here is ever synced."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from pathlib import Path
from typing import Any, Final

import orjson

from zaxy.files.durable import FILE_MODE, close_quietly, write_all

_CHUNK_BYTES: Final = 1024 * 1024


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


def identity_of(path: Path) -> list[int]:
    """Return what tells a file from the one it was: inode, size in bytes, time of its last change in nanoseconds."""
    status = os.stat(path)
    return [status.st_ino, status.st_size, status.st_mtime_ns]


class Sum:
    """The SHA-256 of a disposable file, beside it, so that a change from outside shows.

    Whoever rewrites the file takes the sum away first: killed in between, it leaves none, not a wrong one.

    Args:
        path: The file.
        grows: Whether only lines are added to it: what was noted then stays its beginning.
    """

    def __init__(self, path: Path, *, grows: bool = False) -> None:
        self._path, self._beside, self._grows = path, Path(f"{path}.sum"), grows

    def told(self) -> dict[str, Any] | None:
        """Return what was noted: ``file`` (see `identity_of`), ``digest``, ``stamp``; None when nothing can be read."""
        try:
            told: dict[str, Any] = orjson.loads(self._beside.read_bytes())
            return told if type(told["stamp"]) is type(told["file"][1]) is int and told["digest"] else None
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def forget(self) -> None:
        """Take the sum away.

        Raises:
            OSError: As the system reports it.
        """
        self._beside.unlink(missing_ok=True)

    def write(self, stamp: int = 0) -> None:
        """Note what the file holds, and a stamp, unless there is a sum; where none can be written there is none."""
        with contextlib.suppress(OSError):
            if not self._beside.exists():
                inode, size, modified = identity_of(self._path)
                size = self._path.read_bytes().rfind(b"\n") + 1 if self._grows else size
                self._note([inode, size, modified], self._digest(size), stamp)

    def holds(self) -> bool:
        """Return whether the file holds what was noted, or nothing was. One that nobody touched since is not read."""
        told = self.told()
        try:
            here = identity_of(self._path)
            if told is None or told["file"] == here:
                return True
            size = told["file"][1]
            same = bool((self._grows or size == here[1]) and self._digest(size) == told["digest"])
        except OSError:
            return told is None
        if same and not self._grows:
            with contextlib.suppress(OSError):
                self._note(here, told["digest"], told["stamp"])
        return same

    def _note(self, identity: list[int], digest: str, stamp: int) -> None:
        replace_cache(self._beside, orjson.dumps({"file": identity, "digest": digest, "stamp": stamp}))

    def _digest(self, size: int) -> str:
        digest = hashlib.sha256()
        with self._path.open("rb") as stream:
            while part := stream.read(min(size, _CHUNK_BYTES)):
                digest.update(part)
                size -= len(part)
        return digest.hexdigest()


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
