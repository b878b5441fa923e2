"""Metrics for Prometheus, in a registry of their own.

Every name, label and bucket edge is an interface: alert rules and dashboards are written against them.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from types import TracebackType
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.exposition import choose_encoder

from zaxy.errors import ZaxyError
from zaxy.observability.readings import Readings
from zaxy.telemetry import OUTCOMES, Counted, Operation, Reading

BUCKETS_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.06, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The runbook's targets and alerts (0.05, 0.1, 0.2, 0.5) are edges, so that histograms decide them without guessing."""

_DURATIONS: Final[Mapping[Operation, tuple[str, str, str]]] = {
    Operation.APPEND: ("zaxy_append_seconds", "Time of an append, until it is on disk.", ""),
    Operation.PROJECTION: ("zaxy_projection_seconds", "Time of writing one batch of events into a store.", "store"),
    Operation.QUERY: ("zaxy_query_seconds", "Time of answering a question.", ""),
    Operation.CHECKOUT: ("zaxy_checkout_seconds", "Time of building a checkout packet.", ""),
    Operation.CALL: ("zaxy_call_seconds", "Time of a tool call, over MCP or REST.", "tool"),
    Operation.REQUEST: (
        "zaxy_http_request_seconds",
        "Time of an HTTP request; a stream counts until it ends.",
        "route",
    ),
}
_EVENTS: Final[Mapping[Operation, tuple[str, str, str]]] = {
    Operation.APPEND: ("zaxy_appended_events_total", "Events appended by this process.", ""),
    Operation.PROJECTION: ("zaxy_projected_events_total", "Events written into a store by this process.", "store"),
}
_COUNTS: Final[Mapping[Counted, tuple[str, str, str]]] = {
    Counted.DEGRADED: (
        "zaxy_degraded_operations_total",
        "Answers and work that were less than they could be.",
        "reason",
    ),
    Counted.LANE: ("zaxy_lanes_run_total", "Lanes that ran for an answer.", "lane"),
    Counted.AUTHENTICATION: ("zaxy_authentications_total", "Requests by how their credentials were taken.", "outcome"),
    Counted.RATE_LIMIT: ("zaxy_rate_limit_checks_total", "Requests by what the rate limit said.", "outcome"),
}
_GRAVE: Final = ("busy", "durability_unknown", "log_damaged", "unforeseen", "write_failed")
"""What appends should never end in: there from the start, so that the first one is seen as an increase."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER: Final = "other"
_MOST_NAMES: Final = 200
"""Tools and routes are fixed sets; should a caller pass anything else on, it does not fill the memory."""


class PrometheusObserver:
    """Counts and measures for Prometheus. Safe to share between threads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        """What holds all metrics."""
        self._durations = {
            operation: Histogram(name, told, _labels(label), buckets=BUCKETS_SECONDS, registry=self.registry)
            for operation, (name, told, label) in _DURATIONS.items()
        }
        self._events = {
            operation: Counter(name, told, _labels(label), registry=self.registry)
            for operation, (name, told, label) in _EVENTS.items()
        }
        self._counts = {key: child for what in Counted for key, child in self._outcomes(what)}
        self._errors = Counter(
            "zaxy_errors_total",
            "Operations that ended in an error, by its code.",
            ("operation", "code"),
            registry=self.registry,
        )
        self._requests = Counter(
            "zaxy_http_requests_total",
            "HTTP requests that were answered.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        for code in _GRAVE:
            self._errors.labels(Operation.APPEND, code)
        self._in_progress = Gauge(
            "zaxy_http_requests_in_progress", "HTTP requests that are being answered.", registry=self.registry
        )
        build = Info("zaxy_build", "What runs here.", registry=self.registry)
        build.info({"version": version("zaxy-memory"), "python": platform.python_version()})
        ProcessCollector(registry=self.registry)
        self._children: dict[tuple[Operation, str], _Child] = {}
        self._readings = Readings()
        self.registry.register(self._readings)

    def _outcomes(self, what: Counted) -> Iterator[tuple[tuple[Counted, str], Counter]]:
        name, told, label = _COUNTS[what]
        counter = Counter(name, told, (label,), registry=self.registry)
        for outcome in OUTCOMES[what]:
            yield (what, outcome), counter.labels(outcome)

    def measure(self, operation: Operation, name: str = "", parent: str = "") -> _Timing:  # noqa: ARG002 -- for traces
        """Measure what happens inside of the ``with`` block."""
        return _Timing(self, operation, name)

    def count(self, what: Counted, outcome: str) -> None:
        """Count one outcome."""
        self._counts[what, outcome].inc()

    def watch(self, read: Callable[[], Iterable[Reading]]) -> None:
        """Read these values off at every scrape, for at most a second."""
        self._readings.watch(read)

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """Return all metrics, in the format that the header ``Accept`` asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def child(self, operation: Operation, name: str) -> _Child:
        """Return the series of one operation."""
        found = self._children.get((operation, name))
        if found is None:
            name = name if len(self._children) < _MOST_NAMES else _OTHER
            found = self._children.setdefault((operation, name), self._new_child(operation, name))
        return found

    def _new_child(self, operation: Operation, name: str) -> _Child:
        duration, events = self._durations[operation], self._events.get(operation)
        if _DURATIONS[operation][2]:
            return _Child(duration.labels(name), None if events is None else events.labels(name))
        return _Child(duration, events)

    def began(self, operation: Operation) -> None:
        """Note that an operation began."""
        if operation is Operation.REQUEST:
            self._in_progress.inc()

    def ended(self, timing: _Timing, seconds: float, error: BaseException | None) -> None:
        """Note how an operation ended."""
        child = self.child(timing.operation, timing.name)
        child.duration.observe(seconds)
        if child.events is not None:
            child.events.inc(int(timing.told.get("events", 0)))
        if error is not None:
            self._errors.labels(timing.operation, error.code if isinstance(error, ZaxyError) else _code_of(error)).inc()
        if timing.operation is Operation.REQUEST:
            self._in_progress.dec()
            method, status = str(timing.told.get("method", "")), str(timing.told.get("status", ""))
            self._requests.labels(timing.name, method if method in _METHODS else _OTHER, status or "none").inc()


@dataclass(frozen=True, slots=True)
class _Child:
    """The series of one operation and name."""

    duration: Histogram
    events: Counter | None


class _Timing:
    """One operation that is measured."""

    __slots__ = ("_began", "_observer", "name", "operation", "told")

    def __init__(self, observer: PrometheusObserver, operation: Operation, name: str) -> None:
        self._observer = observer
        self.operation = operation
        self.name = name
        self.told: dict[str, str | float | bool] = {}

    def __enter__(self) -> _Timing:
        self._observer.began(self.operation)
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._observer.ended(self, time.perf_counter() - self._began, error)

    def tell(self, name: str, value: str | float | bool) -> None:
        """Keep what metrics are made of."""
        self.told[name] = value

    def quote(self, name: str, text: str) -> None:
        """Drop it: metrics hold no text."""


def _labels(label: str) -> tuple[str, ...]:
    return (label,) if label else ()


def _code_of(error: BaseException) -> str:
    return "unforeseen" if isinstance(error, Exception) else "cancelled"
