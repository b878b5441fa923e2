"""What was acknowledged since the last checkpoint: the last event of each session, kept outside the loom.

One short line an append, never synced: after a power loss it may know less than the log holds, never more, because a
line is written after the log was synced. A checkpoint covers what it knows, and starts it anew.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from zaxy.errors import ZaxyError
from zaxy.files.cache import CacheFile, replace_cache

logger = logging.getLogger("zaxy.eventloom")

_LINE: Final = re.compile(rb"([A-Za-z0-9][A-Za-z0-9._-]{0,127}) (\d{1,18}) ([0-9a-f]{64})")
_LONGEST_BYTES: Final = 4 * 1024 * 1024


class Seen(NamedTuple):
    """The last event of a session that was acknowledged here."""

    seq: int
    digest: str


class SeenWriter:
    """Notes acknowledged events. Callers hold the lock of the log they tell of, so that a session's lines are in order.

    Args:
        locate: Says where the file is, None where there is no state folder; asked until it says so.
    """

    def __init__(self, locate: Callable[[], Path | None]) -> None:
        self._locate = locate
        self._path: Path | None = None
        self._file: CacheFile | None = None
        self._told = False

    def note(self, session_id: str, seq: int, digest: str) -> None:
        """Note that an event was acknowledged. Failing to is logged once, not raised: the event is on disk."""
        try:
            if self._file is None:
                self._path = self._locate()
                if self._path is None:
                    return
                self._file = CacheFile(self._path)
            # what a full disk left of another line must not spoil this one
            size = self._file.append(f"\n{session_id} {seq} {digest}\n".encode("ascii"))
            if size > _LONGEST_BYTES and self._path is not None:
                keep_seen(self._path, read_seen(self._path))
        except (OSError, ZaxyError) as error:
            if not self._told:
                logger.warning(
                    "%s could not be written (%s); a cut tail is seen from the next checkpoint on", self._path, error
                )
            self._told = True

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            self._file.close()
        self._file = None


def read_seen(path: Path) -> dict[str, Seen]:
    """Return the last event of each session that the file tells of; a line that cannot be read is passed over.

    A session's lines are in order, so one that goes back tells that the log was cut meanwhile. What was acknowledged
    before that stays what counts, however far the log grows again.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[dict[str, Seen], set[str]]:
    """Return the last event of each session, and the sessions whose lines went back."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return {}, set()
    found: dict[str, Seen] = {}
    cut: set[str] = set()
    for line in lines[:-1]:
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        session_id, last = match[1].decode("ascii"), Seen(int(match[2]), match[3].decode("ascii"))
        known = found.get(session_id)
        if known is not None and last.seq <= known.seq and last != known:
            cut.add(session_id)
        elif session_id not in cut:
            found[session_id] = last
    return found, cut


def keep_seen(path: Path, seen: Mapping[str, Seen]) -> None:
    """Replace the file by the last event of each session.

    Raises:
        OSError: It could not be replaced; the old one stands.
    """
    cut = _read(path)[1]
    lines = []
    for session_id, last in sorted(seen.items()):
        lines.append(f"{session_id} {last.seq} {last.digest}\n")
        if session_id in cut:  # a line that goes back: what follows it does not count either
            lines.append(f"{session_id} 0 {last.digest}\n")
    replace_cache(path, "".join(lines).encode("ascii"))
