"""Whether a loom is still the one that a process began with: one that vanished must not be made anew in silence."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

from zaxy.errors import UnavailableError, ZaxyError
from zaxy.eventloom.folder import IDENTITY_NAME, read_identity

_Mark = tuple[int, int, int]
"""Device, inode, and time of the last change in nanoseconds."""


class _Seen(NamedTuple):
    """A loom as it was found.

    Attributes:
        loom_id: Its id, None for one that has none yet.
        folder: Its folder.
        mark: ``loom.json``; the folder of a loom without an id.
    """

    loom_id: str | None
    folder: _Mark
    mark: _Mark


class Presence:
    """Remembers a loom from the first time that it is found. Safe to share between threads.

    A loom with an id stays the same one when its folder is replaced, as a restored backup does; one without an id is
    its folder.

    Args:
        folder: The loom; it need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._identity = folder / IDENTITY_NAME
        self._seen: _Seen | None = None

    def check(self) -> None:
        """Make sure that a loom that was found once is still there. One ``stat`` while nothing changed.

        Raises:
            UnavailableError: It is gone, or another one stands in its place.
        """
        seen = self._seen
        if seen is not None and _mark(self._folder if seen.loom_id is None else self._identity) == seen.mark:
            return
        found = self._look()
        if seen is not None and (found is None or not _is_same(seen, found)):
            what = "is gone" if found is None else "is not the one that was there"
            raise UnavailableError(
                f"the loom {self._folder} {what}; nothing is recorded until it is back",
                remedy="put the folder back as it was; to begin with what is there now, start this process again",
            )
        self._seen = found

    def remember(self) -> None:
        """Remember a loom that was made just now."""
        if self._seen is None:
            with contextlib.suppress(OSError):  # then the next check finds it
                self._seen = self._look()

    def _look(self) -> _Seen | None:
        folder = _mark(self._folder)
        if folder is None:
            return None
        mark, loom_id = _mark(self._identity), None
        if mark is not None:
            with contextlib.suppress(ZaxyError):  # whoever needs the id is told that it cannot be read
                loom_id = read_identity(self._folder)
        return _Seen(loom_id, folder, folder if mark is None or loom_id is None else mark)


def _is_same(seen: _Seen, found: _Seen) -> bool:
    if seen.loom_id is None:
        return seen.folder[:2] == found.folder[:2]
    return seen.loom_id == found.loom_id


def _mark(path: Path) -> _Mark | None:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns
