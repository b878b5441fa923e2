"""A SQLite file for secrets: private, synced, without remnants of what was deleted.

Every use opens the file and closes it, so nothing is held between uses, in a thread or across a fork. SQLite's own
locks are lost when any descriptor of the file is closed in the process, so nothing else here may open the file while a
use is under way; one use at a time, and a fork waits for its end.

A commit is on disk when it returns: the rollback journal is synced, then the file, then the folder without the journal
(``synchronous=EXTRA``; ``F_FULLFSYNC`` on macOS). Deleted entries are overwritten (``secure_delete``).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from zaxy.errors import (
    BusyError,
    DurabilityUnknownError,
    IntegrityError,
    KeyUnavailableError,
    WriteFailedError,
    ZaxyError,
)
from zaxy.files.durable import make_directories, open_log, sync_directory

RESTORE: Final = "restore it from a backup of the state folder"
_BUSY_SECONDS: Final = 30.0
_PRAGMAS: Final = (
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA secure_delete=ON",
    "PRAGMA journal_mode=DELETE",
    "PRAGMA synchronous=EXTRA",
    "PRAGMA fullfsync=ON",
)
_CANNOT_WRITE: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM)
_SYNC_FAILED: Final = (sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC)

_in_use: Final = threading.RLock()
os.register_at_fork(before=_in_use.acquire, after_in_parent=_in_use.release, after_in_child=_in_use.release)


@contextlib.contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """Use the file for the length of a ``with`` block, statement by statement.

    Raises:
        KeyUnavailableError: It is missing.
        IntegrityError: It is damaged.
        WriteFailedError: The disk refused; nothing was changed.
        DurabilityUnknownError: A sync failed; whether the change survives a power loss is unknown.
        BusyError: Another process used it for too long.
    """
    try:
        with _in_use, contextlib.closing(_connect(path)) as database:
            for pragma in _PRAGMAS:
                database.execute(pragma)
            yield database
    except (sqlite3.Error, UnicodeDecodeError) as error:  # a damaged schema is quoted in messages that are not text
        raise _told(path, error) from error


@contextlib.contextmanager
def transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """Use the file for changes that happen all or none. On return they are on disk. Errors as `connected`."""
    with connected(path) as database:
        database.execute("BEGIN IMMEDIATE")
        try:
            yield database
            database.execute("COMMIT")
        finally:
            if database.in_transaction:
                database.execute("ROLLBACK")


def is_there(path: Path) -> bool:
    """Return whether there is such a file.

    Raises:
        KeyUnavailableError: Its folder cannot be looked into.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise KeyUnavailableError(
            f"the erasure vault {path} cannot be looked at: {error.strerror}",
            remedy="let the user who runs Zaxy own it",
        ) from error
    return True


def make_database(path: Path) -> None:
    """Make an empty file that only its owner may read; SQLite would go by the process's mask. The caller holds a lock.

    System calls: those of `make_directories`; ``open(O_CREAT)``, ``close``; ``open`` folder, ``fsync``, ``close``.

    Raises:
        WriteFailedError: It cannot be made.
    """
    if not is_there(path):
        make_directories(path.parent)
        os.close(open_log(path, create=True))
        sync_directory(path.parent)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS, isolation_level=None)


def _told(path: Path, error: Exception) -> ZaxyError:
    """Return the house's error for one of SQLite's."""
    code = getattr(error, "sqlite_errorcode", 0)
    primary = code & 0xFF
    if code in _SYNC_FAILED:
        return DurabilityUnknownError(f"{path} could not be synced", remedy="check the disk, then try again")
    if primary in _CANNOT_WRITE:
        return WriteFailedError(f"{path} cannot be written: {error}", remedy="see to the disk, then try again")
    if primary == sqlite3.SQLITE_BUSY:
        return BusyError(f"{path} was in use for more than {_BUSY_SECONDS:g} seconds", remedy="try again")
    if primary == sqlite3.SQLITE_CANTOPEN:
        return KeyUnavailableError(f"the erasure vault {path} cannot be opened", remedy=RESTORE)
    return IntegrityError(f"the erasure vault {path} is damaged: {error}", remedy=RESTORE)
