"""What the logs say was forgotten, and destroying it again where an older copy of the vault brought it back.

The vault has a marker that every destruction exchanges. A note in the loom, a cache file, holds the marker of the vault
that was last compared with the logs: while the two are equal, nothing can have come back. Forgetting takes the note
away, durably, before it records anything, so whatever is interrupted after that is found by the next comparison.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from zaxy.errors import BusyError, InvalidInputError, UnavailableError, WriteFailedError
from zaxy.eventloom.canonical import BadJSONError, decode_loosely
from zaxy.eventloom.layout import LOG_SUFFIX
from zaxy.eventloom.vault.cell import check_key_id
from zaxy.files.cache import replace_cache
from zaxy.files.durable import remove_file
from zaxy.files.lock import locked

if TYPE_CHECKING:
    from zaxy.eventloom.vault.vault import Vault

logger = logging.getLogger("zaxy.eventloom")

FORGOTTEN_TYPE: Final = "memory.forgotten"
_TYPE_BYTES: Final = FORGOTTEN_TYPE.encode("ascii")
_READ_BYTES: Final = 1024 * 1024


class Settled(NamedTuple):
    """How a vault stands to the logs.

    Attributes:
        marker: The vault's marker after it.
        note: What the note said then, None where there was none.
        undestroyed: Keys that the logs say are gone and that the vault could not destroy: storage is read-only.
        is_final: Whether it need not be tried again while nothing changes: it was noted, or cannot be.
    """

    marker: str
    note: bytes | None
    undestroyed: frozenset[str] = frozenset()
    is_final: bool = True


def governance_lock(folder: Path) -> Path:
    """Return the file that is locked while a loom's memories are changed: corrected, rolled back, forgotten."""
    return folder / ".zaxy" / "governance.lock"


class Erasures:
    """The keys that one loom's logs say were destroyed. Safe to share between threads and processes.

    Args:
        folder: The loom.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cache = folder / ".zaxy" / "erasures.json"

    def forget_cache(self) -> None:
        """Take the note away, so that the next opening compares vault and logs. On return this is on disk.

        To be called before anything is forgotten.

        Raises:
            WriteFailedError: The note stands; nothing may be forgotten then.
            DurabilityUnknownError: It may come back after a power loss.
        """
        if self._cache.parent.is_dir():
            remove_file(self._cache)

    def standing(self, loom_id: str, marker: str, last: Settled | None) -> Settled | None:
        """Return how a vault with this marker stands to the logs, as far as that is known without reading them.

        Args:
            loom_id: Whose vault it is.
            marker: The vault's marker.
            last: What `settle` returned last.

        Returns:
            None when they have to be compared.
        """
        note = self._note()
        if note == _note_of(loom_id, marker):
            return Settled(marker, note)
        same = last is not None and (last.marker, last.note) == (marker, note)
        return last if same and last is not None and (last.is_final or self._is_governed()) else None

    def settle(self, vault: Vault) -> Settled:
        """Destroy again what the logs say was destroyed. Reads every log.

        The result is noted only while nobody changes memories: who is about to forget has taken the note away.

        Raises:
            UnavailableError: A log cannot be read.
            ZaxyError: As `Vault.destroy_again`, but for what the disk refuses.
        """
        with contextlib.ExitStack() as stack:
            can_note, is_final = True, True
            try:  # without waiting: whoever holds it may be waiting for us
                stack.enter_context(locked(governance_lock(self._folder), timeout_seconds=0))
            except BusyError:
                can_note, is_final = False, False
            except WriteFailedError:
                can_note = False
            note, marker, forgotten = self._note(), vault.marker(), self.forgotten()
            try:
                if vault.destroy_again(sorted(forgotten)):
                    logger.warning("the vault %s held keys of what was forgotten; they are gone again", vault.path)
            except WriteFailedError as error:
                logger.warning("the vault %s may hold forgotten keys and cannot be written (%s)", vault.path, error)
                return Settled(marker, note, forgotten, is_final)
            marker = vault.marker()
            if can_note:
                told = _note_of(vault.loom_id, marker)
                with contextlib.suppress(OSError):  # then it is compared once more by the next process
                    replace_cache(self._cache, told)
                    note = told
            return Settled(marker, note, frozenset(), is_final)

    def forgotten(self) -> frozenset[str]:
        """Return the ids of all keys that the logs of all sessions say were destroyed. Reads every log, raw.

        Raises:
            UnavailableError: A log cannot be read.
        """
        found: set[str] = set()
        for path in self._files():
            for line in _lines_with(path, _TYPE_BYTES):
                found.update(_destroyed_keys(line))
        return frozenset(found)

    def _files(self) -> Iterator[Path]:
        """Yield the active logs, then the closed segments: one that is closed meanwhile is met twice, not missed."""
        yield from _named(self._folder)
        archive = self._folder / "archive"
        for session in _listed(archive):
            if session.is_dir(follow_symlinks=False):
                yield from _named(Path(session.path))

    def _note(self) -> bytes | None:
        try:
            return self._cache.read_bytes()
        except OSError:
            return None

    def _is_governed(self) -> bool:
        """Whether somebody is changing memories just now."""
        try:
            with locked(governance_lock(self._folder), timeout_seconds=0):
                return False
        except BusyError:
            return True
        except WriteFailedError:
            return False


def _note_of(loom_id: str, marker: str) -> bytes:
    return json.dumps({"loom_id": loom_id, "marker": marker}).encode("ascii")


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error


def _named(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder that are named like logs."""
    for entry in _listed(folder):
        if entry.name.endswith(LOG_SUFFIX) and entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


def _lines_with(path: Path, needle: bytes) -> Iterator[bytes]:
    """Yield the lines of a file that contain a text; one that is gone by now has none."""
    try:
        with path.open("rb", buffering=_READ_BYTES) as stream:
            for line in stream:
                if needle in line:
                    yield line.removesuffix(b"\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unreadable(path, error) from error


def _destroyed_keys(line: bytes) -> Iterator[str]:
    """Yield the keys that a record of ours says were destroyed; a line that only quotes one says nothing."""
    try:
        record = decode_loosely(line)
    except BadJSONError:  # what is damaged is reported by whoever reads the log
        return
    payload = record.get("payload")
    if record.get("type") != FORGOTTEN_TYPE or not isinstance(payload, dict):
        return
    also = payload.get("also")
    for told in (payload, *(also if isinstance(also, list) else ())):
        if isinstance(told, dict):
            with contextlib.suppress(InvalidInputError):
                yield check_key_id(told.get("cell_id"))


def _unreadable(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(
        f"{path} cannot be read: {error.strerror}; whether it tells of forgotten keys is unknown",
        remedy="check who may read it",
    )
