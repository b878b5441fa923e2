"""Values that are read off at a scrape, within a time limit: a disk that hangs must not take the metrics with it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from zaxy.telemetry import Gauged, Reading

logger = logging.getLogger("zaxy.observability")

LONGEST_WAIT_SECONDS: Final = 1.0
_REST_SHARE: Final = 50.0
"""After a reading, this many times what it took pass before the next: it takes a fiftieth of the time."""

_LONGEST_REST_SECONDS: Final = 60.0

_GAUGES: Final = {
    Gauged.LAG_EVENTS: ("zaxy_projection_lag_events", "Events of the log that a store has not taken in.", "store"),
    Gauged.LAG_BYTES: ("zaxy_projection_lag_bytes", "Bytes of the log that a store has not taken in.", "store"),
    Gauged.LOG_BYTES: ("zaxy_log_bytes", "Size of all logs, with what was rotated.", ""),
    Gauged.PROJECTION_BYTES: ("zaxy_projection_bytes", "Size of a store on disk.", "store"),
    Gauged.SESSIONS: ("zaxy_sessions", "Sessions in the loom.", ""),
    Gauged.DISK_USED_SHARE: ("zaxy_disk_used_ratio", "Share of the loom's disk that is in use, 0 to 1.", ""),
    Gauged.DISK_FREE_BYTES: ("zaxy_disk_free_bytes", "Free space on the loom's disk.", ""),
}
_AGE: Final = ("zaxy_readings_age_seconds", "How old the sizes and lags told here are; it grows while a disk hangs.")


class Readings(Collector):
    """Reads off what it was told to watch. Safe to share between threads; one thread at a time reads."""

    def __init__(self) -> None:
        self._reads: list[Callable[[], Iterable[Reading]]] = []
        self._lock = threading.Lock()
        self._known: list[Reading] = []
        self._read_at = self._began_at = time.monotonic()
        self._rest_until = 0.0
        self._reading: threading.Thread | None = None

    def watch(self, read: Callable[[], Iterable[Reading]]) -> None:
        """Read this off, too."""
        self._reads.append(read)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Name the metrics without reading anything."""
        yield from (_family(what) for what in Gauged)
        yield GaugeMetricFamily(*_AGE)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield what was read last, after a new reading if that takes less than a second."""
        reading = self._begin()
        if reading is not None:
            reading.join(LONGEST_WAIT_SECONDS)
        families = {what: _family(what) for what in Gauged}
        with self._lock:
            known, age = self._known, time.monotonic() - self._read_at
        for one in known:
            families[one.what].add_metric([one.of] if _GAUGES[one.what][2] else [], one.value)
        yield from families.values()
        yield GaugeMetricFamily(*_AGE, value=age if self._reads else 0.0)

    def _begin(self) -> threading.Thread | None:
        """Return the thread that reads, a new one when it is time for that."""
        with self._lock:
            if self._reading is not None and self._reading.is_alive():
                return self._reading
            if not self._reads or time.monotonic() < self._rest_until:
                return None
            self._reading = threading.Thread(target=self._read, name="zaxy-readings", daemon=True)
            self._reading.start()
            return self._reading

    def _read(self) -> None:
        began = time.monotonic()
        try:
            found = [one for read in self._reads for one in read()]
        except Exception as error:  # whatever a disk or a store does, the other metrics are told
            logger.warning("sizes and lags cannot be read: %s", type(error).__name__)
            found = None
        with self._lock:
            now = time.monotonic()
            self._rest_until = now + min(_LONGEST_REST_SECONDS, _REST_SHARE * (now - began))
            if found is not None:
                self._known, self._read_at = found, now


def _family(what: Gauged) -> GaugeMetricFamily:
    name, told, label = _GAUGES[what]
    return GaugeMetricFamily(name, told, labels=[label] if label else None)
