"""Writing so that it stays written, on Linux and macOS.

Rules that hold for every function here: a short write is continued; a failed sync is final and never tried again on
the same descriptor; a new name exists only once its directory is synced.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from zaxy.errors import DurabilityUnknownError, WriteFailedError
from zaxy.files.posix import fcntl

FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700
_WRITE_CHUNK_BYTES: Final = 64 * 1024 * 1024
_PART_BYTES: Final = 256 * 1024


def sync(descriptor: int) -> None:
    """Make what was written through ``descriptor`` survive a power loss.

    Raises:
        DurabilityUnknownError: The system could not say so. The descriptor must not be synced again.
    """
    try:
        full_sync = getattr(fcntl, "F_FULLFSYNC", None)
        if full_sync is not None:  # macOS: fsync alone leaves the data in the drive's cache
            fcntl.fcntl(descriptor, full_sync)
        else:
            os.fsync(descriptor)
    except OSError as error:
        raise DurabilityUnknownError(
            f"fsync failed: {error.strerror}; whether the last write survives a power loss is unknown",
            remedy="check the disk, then open the log again: it is verified before it is written to",
        ) from error


def close_quietly(descriptor: int) -> None:
    """Close a descriptor whose data is synced already, or that was only read: what the close says changes nothing."""
    with contextlib.suppress(OSError):
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte of ``data``.

    System calls: ``write`` until all is taken (it may take less than asked for).

    Raises:
        OSError: As the system reports it; part of ``data`` may be written.
    """
    view = memoryview(data)
    while view:
        taken = os.write(descriptor, view[:_WRITE_CHUNK_BYTES])
        if taken == 0:
            raise OSError(errno.EIO, "write took no bytes")
        view = view[taken:]


def check_taken(descriptor: int, size: int) -> None:
    """Make sure that a file is at least as long as a write must have made it: a system may say more than it took.

    System calls: ``fstat``.

    Raises:
        OSError: It is shorter.
    """
    found = os.fstat(descriptor).st_size
    if found < size:
        raise OSError(errno.EIO, f"the file has {found:,} bytes after a write that must make it {size:,}")


def read_at(descriptor: int, offset: int, length: int) -> bytes:
    """Return up to ``length`` bytes from ``offset``; fewer only where the file ends."""
    parts = []
    while length > 0:
        part = os.pread(descriptor, length, offset)
        if not part:
            break
        parts.append(part)
        offset += len(part)
        length -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


@contextlib.contextmanager
def open_directory(path: Path) -> Iterator[int]:
    """Hold a directory open, so that it can be synced whatever becomes of its name meanwhile."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        close_quietly(descriptor)


def make_directories(path: Path) -> None:
    """Create ``path`` and what is missing above it, each new name synced into its parent.

    System calls, for each missing level from the top: ``mkdir``, ``open`` parent, ``fsync`` parent, ``close``.

    Raises:
        WriteFailedError: A level cannot be created (read-only, no permission, a file in the way).
    """
    missing = []
    level = path
    while not level.is_dir():
        missing.append(level)
        if level.parent == level:
            break
        level = level.parent
    try:
        for directory in reversed(missing):
            try:
                os.mkdir(directory, DIRECTORY_MODE)
            except FileExistsError:
                if not directory.is_dir():  # another process made it meanwhile, or a file is in the way
                    raise
            with open_directory(directory.parent) as parent:
                sync(parent)
    except OSError as error:
        if isinstance(error, DurabilityUnknownError):
            raise
        raise write_failed(path, error) from error


def write_failed(path: Path, error: OSError) -> WriteFailedError:
    """Return the error that says that ``path`` could not be written, why, and what to do."""
    remedies = {
        errno.ENOSPC: "free some space and try again",
        errno.EDQUOT: "free some space or raise the quota and try again",
        errno.EFBIG: "raise the file size limit (ulimit -f) or rotate the log",
        errno.EROFS: "mount the file system writable",
        errno.EACCES: "check who may write there",
        errno.EPERM: "check who may write there",
    }
    return WriteFailedError(
        f"{path} cannot be written: {error.strerror or error}; nothing was recorded",
        remedy=remedies.get(error.errno or 0, "see the system's message"),
    )


def replace_file(path: Path, data: bytes, *, mode: int = FILE_MODE) -> None:
    """Make ``path`` hold exactly ``data``: after a crash it holds the old content or the new. As `replacing`."""
    with replacing(path, mode=mode) as write:
        write(data)


@contextlib.contextmanager
def replacing(path: Path, *, mode: int) -> Iterator[Callable[[bytes], None]]:
    """Give what writes the new content of a file, part by part: after a crash it holds the old content or the new.

    System calls: ``open`` directory; ``open(O_CREAT|O_EXCL)`` temporary, ``write`` for each 256 KiB, ``fstat``,
    ``fsync`` temporary, ``close``; ``rename`` onto ``path``; ``fsync`` directory; ``close`` directory. When the block
    raises: ``unlink`` temporary.

    Args:
        path: The file.
        mode: Who may read and write it, where it is new.

    Raises:
        WriteFailedError: The old content stands.
        DurabilityUnknownError: A sync failed.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with open_directory(path.parent) as directory:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            try:
                parts = _Parts(descriptor)
                yield parts.add
                parts.finish()
            finally:
                close_quietly(descriptor)
            os.rename(temporary, path)
            sync(directory)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and not isinstance(error, DurabilityUnknownError):
            raise write_failed(path, error) from error
        raise


class _Parts:
    """Small parts of a file, written together."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting = bytearray()
        self._size = 0

    def add(self, part: bytes) -> None:
        self._waiting += part
        if len(self._waiting) >= _PART_BYTES:
            self._write()

    def finish(self) -> None:
        self._write()
        check_taken(self._descriptor, self._size)
        sync(self._descriptor)

    def _write(self) -> None:
        write_all(self._descriptor, bytes(self._waiting))
        self._size += len(self._waiting)
        self._waiting = bytearray()


def move_file(source: Path, target: Path) -> None:
    """Give a file another name in another directory of the same file system, durably.

    System calls: ``open`` both directories; ``rename``; ``fsync`` target directory, then source directory; ``close``.
    After a crash the file has one name or the other.

    Raises:
        WriteFailedError: The file kept its name.
    """
    try:
        with open_directory(target.parent) as to_directory, open_directory(source.parent) as from_directory:
            os.rename(source, target)
            sync(to_directory)
            sync(from_directory)
    except OSError as error:
        if isinstance(error, DurabilityUnknownError):
            raise
        raise write_failed(target, error) from error


def remove_file(path: Path) -> None:
    """Remove a file, durably; one that is not there is removed already.

    System calls: ``open`` directory, ``unlink``, ``fsync`` directory, ``close``.

    Raises:
        WriteFailedError: The file stands.
        DurabilityUnknownError: The sync failed: the file may come back after a power loss.
    """
    try:
        with open_directory(path.parent) as directory:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            sync(directory)
    except OSError as error:
        if isinstance(error, DurabilityUnknownError):
            raise
        raise write_failed(path, error) from error


def open_log(path: Path, *, create: bool) -> int:
    """Open a log for reading and appending; it must be a regular file.

    Raises:
        FileNotFoundError: It does not exist and ``create`` is False.
        WriteFailedError: It cannot be opened for writing, or is not a regular file.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if create else 0)
    try:
        descriptor = os.open(path, flags, FILE_MODE)
    except FileNotFoundError:
        if create:
            raise write_failed(path, FileNotFoundError(errno.ENOENT, "its folder does not exist")) from None
        raise
    except OSError as error:
        raise write_failed(path, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise write_failed(path, OSError(errno.EINVAL, "it is not a regular file"))
    return descriptor


def append_durably(descriptor: int, data: bytes, *, size: int, path: Path, synced: bool) -> None:
    """Append ``data`` to a log whose size is ``size``, all of it or nothing.

    System calls: ``write`` until all is taken, ``fstat``; ``fsync`` unless ``synced`` is False. If a write fails:
    ``ftruncate`` back to ``size``. The caller holds the log's lock.

    Raises:
        WriteFailedError: Nothing was appended.
        DurabilityUnknownError: The sync failed, or a partial write could not be taken back.
    """
    try:
        write_all(descriptor, data)
        check_taken(descriptor, size + len(data))
    except BaseException as error:  # an interrupt between two writes leaves no part of a batch either
        try:
            os.ftruncate(descriptor, size)
        except OSError as second:
            raise DurabilityUnknownError(
                f"{path}: a partial write could not be taken back: {second.strerror}",
                remedy="open the log again: its tail is repaired before it is written to",
            ) from error
        if isinstance(error, OSError):
            raise write_failed(path, error) from error
        raise
    if synced:
        sync(descriptor)


def write_at(path: Path, offset: int, data: bytes) -> None:
    """Write ``data`` at ``offset`` of a file that is made when it is missing; what lies behind it stays.

    System calls: ``open(O_CREAT)``, ``write`` until all is taken, ``fsync``, ``close``; for a new file ``open``,
    ``fsync`` and ``close`` of its directory. After a crash any part of ``data`` may be there: what tells that it
    counts is written after this returned.

    Raises:
        WriteFailedError: Part of ``data`` may be written.
        DurabilityUnknownError: A sync failed.
    """
    try:
        is_new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            os.lseek(descriptor, offset, os.SEEK_SET)
            write_all(descriptor, data)
            check_taken(descriptor, offset + len(data))
            sync(descriptor)
        finally:
            close_quietly(descriptor)
        if is_new:
            sync_directory(path.parent)
    except OSError as error:
        if isinstance(error, DurabilityUnknownError):
            raise
        raise write_failed(path, error) from error


def cut(descriptor: int, size: int, *, path: Path) -> None:
    """Shorten a log to ``size`` bytes, durably.

    System calls: ``ftruncate``, ``fsync``. The caller holds the log's lock and has saved the bytes elsewhere.

    Raises:
        WriteFailedError: The log is as it was.
        DurabilityUnknownError: The sync failed.
    """
    try:
        os.ftruncate(descriptor, size)
    except OSError as error:
        raise write_failed(path, error) from error
    sync(descriptor)


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a power loss.

    System calls: ``open``, ``fsync``, ``close``.

    Raises:
        DurabilityUnknownError: The system could not say so.
    """
    try:
        with open_directory(path) as descriptor:
            sync(descriptor)
    except OSError as error:
        if isinstance(error, DurabilityUnknownError):
            raise
        raise DurabilityUnknownError(
            f"{path} could not be synced: {error.strerror}; whether its new names survive a power loss is unknown",
            remedy="check the disk, then open the log again: it is verified before it is written to",
        ) from error


def rename_beside(path: Path, name: str) -> Path:
    """Give a file or folder another name in its folder. One ``rename``, not synced: the old name may come back.

    Raises:
        OSError: As the system reports it.
    """
    target = path.with_name(name)
    os.rename(path, target)
    return target
