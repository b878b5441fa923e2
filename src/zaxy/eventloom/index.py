"""The side index of one log file: sequence number → byte offset, time and idempotency key.

Fixed-width records, so that looking an event up, reading from a sequence number or reading the tail costs the same at
ten events and at ten gigabytes. It is a cache: never synced, checked against the log at every use, rebuilt from it when
it does not fit. Layout, little-endian:

    header  magic "ZAXYIX02" · inode of the log u64 · first seq u64
    entry   offset of the line u64 · recorded time in microseconds i64 · key digest u64 (0: none) · CRC-32 u32
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from zaxy.files.cache import CacheFile, append_cache, replace_cache
from zaxy.files.durable import close_quietly, read_at

_MAGIC: Final = b"ZAXYIX02"
_HEADER: Final = struct.Struct("<8sQQ")
_FIELDS: Final = struct.Struct("<QqQ")
_ENTRY: Final = struct.Struct("<24sI")
_READ_ENTRIES: Final = 65_536


class Entry(NamedTuple):
    """Where one record stands."""

    offset: int
    recorded_at: int
    key_digest: int


def digest_key(key: str | None) -> int:
    """Return the number under which a key is indexed: 64 bits of its SHA-256, 0 only for no key."""
    if key is None:
        return 0
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8], "little") or 1


def pack(entries: Iterable[Entry]) -> bytes:
    """Return entries as they are stored."""
    fields = (_FIELDS.pack(*entry) for entry in entries)
    return b"".join(_ENTRY.pack(packed, zlib.crc32(packed)) for packed in fields)


def _unpack(packed: bytes, checksum: int) -> Entry | None:
    """Return the entry in these bytes, or None when the file was damaged or never written there."""
    return Entry(*_FIELDS.unpack(packed)) if zlib.crc32(packed) == checksum else None


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """What ties an index to one file: its inode and its first sequence number."""

    inode: int
    first_seq: int


class SideIndex:
    """Reads and extends the index of one log file. Not thread-safe; writers hold the log's lock.

    Args:
        path: The index file; it need not exist.
        identity: The log file that it must belong to.
    """

    def __init__(self, path: Path | str, identity: LogIdentity) -> None:
        self._name = path
        self.identity = identity
        self._descriptor = -1
        self._fits = False

    @property
    def path(self) -> Path:
        """The index file."""
        return Path(self._name)

    def close(self) -> None:
        """Release the file."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            close_quietly(descriptor)

    def _open(self) -> int:
        if self._descriptor < 0:
            with contextlib.suppress(OSError):
                self._descriptor = os.open(self._name, os.O_RDONLY | os.O_CLOEXEC)
                header = read_at(self._descriptor, 0, _HEADER.size)
                expected = _HEADER.pack(_MAGIC, self.identity.inode, self.identity.first_seq)
                self._fits = header == expected
        return self._descriptor

    @property
    def fits(self) -> bool:
        """Whether it is there and says that it belongs to this log file."""
        return self._open() >= 0 and self._fits

    def __len__(self) -> int:
        """How many records it knows; 0 when it is missing or belongs to another file."""
        descriptor = self._open()
        if descriptor < 0 or not self._fits:
            return 0
        return max(0, os.fstat(descriptor).st_size - _HEADER.size) // _ENTRY.size

    def entry(self, seq: int) -> Entry | None:
        """Return where a record stands, as far as the index knows. The caller checks what it finds there."""
        position = seq - self.identity.first_seq
        if not 0 <= position < len(self):
            return None
        raw = read_at(self._descriptor, _HEADER.size + position * _ENTRY.size, _ENTRY.size)
        return _unpack(*_ENTRY.unpack(raw)) if len(raw) == _ENTRY.size else None

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """Yield the entries from position ``start`` on (0 is the file's first record), up to the first damaged one."""
        count = len(self)
        while start < count:
            take = min(_READ_ENTRIES, count - start)
            raw = read_at(self._descriptor, _HEADER.size + start * _ENTRY.size, take * _ENTRY.size)
            raw = raw[: len(raw) - len(raw) % _ENTRY.size]
            if not raw:
                return
            for packed, checksum in _ENTRY.iter_unpack(raw):
                entry = _unpack(packed, checksum)
                if entry is None:
                    return
                yield entry
            start += len(raw) // _ENTRY.size

    def extend(self, entries: Iterable[Entry]) -> None:
        """Add the entries of the records that follow the known ones.

        Raises:
            OSError: The index could not be written; the log is not affected.
        """
        data = pack(entries)
        known = len(self)
        if known == 0:
            self.rebuild_from(data)
        elif os.fstat(self._descriptor).st_size != _HEADER.size + known * _ENTRY.size:  # a torn entry at the end
            kept = read_at(self._descriptor, _HEADER.size, known * _ENTRY.size)
            self.rebuild_from(kept + data)
        else:
            append_cache(self.path, data)

    def appender(self) -> CacheFile:
        """Return the file for adding the entries of records that follow the known ones, packed by `pack`."""
        return CacheFile(self.path)

    def rebuild_from(self, packed: bytes = b"") -> None:
        """Replace the index by these packed entries (none: an empty index).

        Raises:
            OSError: The index could not be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_cache(self.path, _HEADER.pack(_MAGIC, self.identity.inode, self.identity.first_seq) + packed)
        self.close()
