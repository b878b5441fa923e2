"""How large a loom and what is derived from it are, and how far the stores are behind: what is read off for metrics.

Its cost grows with the number of files, never with the number of events.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from zaxy.eventloom.loom import Eventloom
from zaxy.projections.catchup import Catchup
from zaxy.telemetry import Gauged, Reading


class SizeService:
    """Reads sizes and lags off. Safe to share between threads.

    Args:
        loom: Whose logs.
        catchup: Knows how far the stores are behind.
        stores: The file or folder of each store, by its name.
    """

    def __init__(self, loom: Eventloom, catchup: Catchup, stores: Mapping[str, Path]) -> None:
        self._loom = loom
        self._catchup = catchup
        self._stores = stores

    def read(self) -> Iterator[Reading]:
        """Yield every value as it is now; nothing for a loom that is not there yet.

        Raises:
            OSError: The disk does not tell.
            ZaxyError: As the loom or a store tells.
        """
        if not self._loom.path.is_dir():
            return
        stats = self._loom.stats()
        rotated = sum(_sizes(self._loom.path / "archive"))
        yield Reading(Gauged.SESSIONS, len(stats))
        yield Reading(Gauged.LOG_BYTES, sum(stat.size for stat in stats.values()) + rotated)
        for name, path in self._stores.items():
            yield Reading(Gauged.PROJECTION_BYTES, bytes_of(path), name)
        for name, lag in self._catchup.lag().items():
            yield Reading(Gauged.LAG_EVENTS, lag.events, name)
            yield Reading(Gauged.LAG_BYTES, lag.bytes, name)
        disk = shutil.disk_usage(self._loom.path)
        yield Reading(Gauged.DISK_FREE_BYTES, disk.free)
        yield Reading(Gauged.DISK_USED_SHARE, disk.used / max(1, disk.used + disk.free))


def bytes_of(store: Path) -> int:
    """Return the size of a store: its file or folder, and what lies beside it under its name."""
    try:
        beside = [name for name in os.listdir(store.parent) if name == store.name or name.startswith(f"{store.name}.")]
    except FileNotFoundError:
        return 0
    return sum(size for name in beside for size in _sizes(store.parent / name))


def _sizes(place: Path) -> Iterator[int]:
    """Yield the size of a file, or of each one below a folder; what vanishes meanwhile is left out."""
    try:
        if not place.is_dir():
            yield place.lstat().st_size
            return
        names = os.listdir(place)
    except FileNotFoundError:
        return
    for name in names:
        yield from _sizes(place / name)
