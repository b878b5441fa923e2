"""What a loom's folder says without a log being opened: which sessions it has, and the loom's id."""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zaxy.errors import IntegrityError, UnavailableError
from zaxy.eventloom.layout import LOG_SUFFIX
from zaxy.files.durable import make_directories, replace_file
from zaxy.files.lock import locked

LOOM_FORMAT: Final = "zaxy-loom/1"
_LONGEST_NAME_BYTES: Final = 240
IDENTITY_NAME: Final = "loom.json"
_LOOM_ID: Final = re.compile(r"(?!looms$)[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
"""Ids name folders and signing keys, so nothing else can be one; ``looms`` is the list of places beside them."""


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


def log_stats(folder: Path) -> dict[str, LogStat]:
    """Return what the file system says of every session's log: one look at the folder, no file is opened."""
    found: dict[str, LogStat] = {}
    try:
        with os.scandir(folder / "archive") as entries:
            found = {entry.name: LogStat(0, 0, 0) for entry in entries if entry.is_dir(follow_symlinks=False)}
    except (FileNotFoundError, NotADirectoryError):
        pass
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if (
                    entry.name.endswith(LOG_SUFFIX)
                    and entry.name != LOG_SUFFIX
                    and entry.is_file(follow_symlinks=False)
                ):
                    status = entry.stat(follow_symlinks=False)
                    session_id = entry.name[: -len(LOG_SUFFIX)]
                    found[session_id] = LogStat(status.st_ino, status.st_size, status.st_mtime_ns)
    except (FileNotFoundError, NotADirectoryError):
        return found
    return found


def log_stat(folder: Path, session_id: str) -> LogStat | None:
    """Return what the file system says of one session's log, or None when it has none."""
    if not is_file_name(session_id):
        return None
    try:
        status = os.stat(folder / f"{session_id}{LOG_SUFFIX}")
    except OSError:
        return LogStat(0, 0, 0) if (folder / "archive" / session_id).is_dir() else None
    return LogStat(status.st_ino, status.st_size, status.st_mtime_ns)


def read_identity(folder: Path) -> str | None:
    """Return the loom's id, or None when it has none yet.

    Raises:
        IntegrityError: ``loom.json`` does not hold one.
    """
    try:
        raw = (folder / IDENTITY_NAME).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UnavailableError(
            f"{folder / IDENTITY_NAME} cannot be read: {error.strerror}", remedy="check who may read it"
        ) from error
    try:
        loom_id = json.loads(raw)["loom_id"]
        if not isinstance(loom_id, str) or not _LOOM_ID.fullmatch(loom_id):
            raise TypeError(loom_id)
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{folder / IDENTITY_NAME} holds no loom id", remedy="restore it from a backup") from error
    return loom_id


def make_identity(folder: Path, *, lock_timeout_seconds: float) -> str:
    """Return the loom's id, making a random one for a new loom. On return it is on disk."""
    known = read_identity(folder)
    if known is not None:
        return known
    make_directories(folder)
    with locked(folder / ".zaxy" / "locks" / "loom", timeout_seconds=lock_timeout_seconds):
        known = read_identity(folder)
        if known is not None:  # another process made it while this one waited
            return known
        loom_id = secrets.token_hex(16)
        told = {"format": LOOM_FORMAT, "loom_id": loom_id}
        replace_file(folder / IDENTITY_NAME, json.dumps(told).encode() + b"\n")
        return loom_id


def is_file_name(name: str) -> bool:
    """Whether a session of a loom can have this name: it is one part of a path, and a file system takes it."""
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        return False
    try:
        return len(os.fsencode(name)) <= _LONGEST_NAME_BYTES
    except UnicodeEncodeError:
        return False


def find_link(folder: Path) -> Path | None:
    """Return a symbolic link inside a loom, or None: a loom that came from elsewhere must not lead writes out of it.

    The loom's own folder may be reached through one.
    """
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if os.path.islink(os.path.join(place, name)):
                return Path(place, name)
    return None
