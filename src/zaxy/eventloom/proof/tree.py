"""The Merkle tree of a loom on disk: what was hashed once is never hashed again.

Level 0 holds the hash of every leaf, level 1 the root of every 256 leaves, level 2 of every 65,536, and so on: the
tiles of C2SP tlog-tiles, put one behind the other in a file a level. A new leaf costs its share of a few short writes,
a proof reads a few kilobytes. How many leaves count is not kept here: a signed checkpoint says so, and what a crash
left behind that is written over.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from zaxy.errors import IntegrityError
from zaxy.eventloom.proof.merkle import HASH_BYTES, subtree_root
from zaxy.files.durable import close_quietly, make_directories, read_at, write_at

_TILE_LEVELS: Final = 8
_TILE_HASHES: Final = 1 << _TILE_LEVELS


class TreeFiles:
    """A Merkle tree in files; a `HashSource`. Writers hold the loom's checkpoint lock.

    Args:
        folder: Where its files lie; made by the first write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def subtree(self, level: int, index: int) -> bytes:
        """Return the root of the perfect subtree of ``2**level`` leaves that begins at leaf ``index * 2**level``.

        Raises:
            IntegrityError: The files do not reach so far.
        """
        stored, rest = divmod(level, _TILE_LEVELS)
        hashes = self.read(stored, index << rest, 1 << rest)
        return hashes[0] if rest == 0 else subtree_root(hashes)

    def read(self, level: int, start: int, count: int) -> list[bytes]:
        """Return hashes of a stored level.

        Raises:
            IntegrityError: The file does not hold them.
        """
        path = self._folder / str(level)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            data = b""
        else:
            try:
                data = read_at(descriptor, start * HASH_BYTES, count * HASH_BYTES)
            finally:
                close_quietly(descriptor)
        if len(data) != count * HASH_BYTES:
            raise IntegrityError(
                f"{path} ends before hash {start + count:,}",
                remedy="rebuild the tree from the log: zaxy log checkpoint",
            )
        return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]

    def extend(self, size: int, leaves: Sequence[bytes]) -> None:
        """Put leaves behind the first ``size`` ones. On return they are on disk.

        Args:
            size: How many leaves count; whatever lies behind them is written over.
            leaves: Hashes of the new leaves.

        Raises:
            WriteFailedError: The disk refused.
            DurabilityUnknownError: A sync failed.
            IntegrityError: The files hold fewer than ``size`` leaves.
        """
        make_directories(self._folder)
        level, start, new = 0, size, list(leaves)
        while new:
            first = start // _TILE_HASHES
            if start:
                self.read(level, start - 1, 1)  # a write behind the end would leave zeros that look like hashes
            row = self.read(level, first * _TILE_HASHES, start % _TILE_HASHES) + new
            write_at(self._folder / str(level), start * HASH_BYTES, b"".join(new))
            new = [
                subtree_root(row[at : at + _TILE_HASHES])
                for at in range(0, len(row) - len(row) % _TILE_HASHES, _TILE_HASHES)
            ]
            level, start = level + 1, first
