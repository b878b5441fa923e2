"""Everybody who watches a server, as one: metrics always, traces where they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Protocol

from zaxy.observability.prometheus import PrometheusObserver
from zaxy.telemetry import Counted, Measured, Observer, Operation, Reading
from zaxy.telemetry_settings import TelemetrySettings


class Tracer(Observer, Protocol):
    """An observer that sends elsewhere what it sees, in the background."""

    def close(self) -> None:
        """Send what is left, for a bounded time, and end."""
        ...


class Observing:
    """Passes everything on to metrics and traces. Safe to share between threads.

    Args:
        metrics: The metrics.
        tracers: Who else watches.
    """

    def __init__(self, metrics: PrometheusObserver, tracers: Sequence[Tracer] = ()) -> None:
        self.metrics = metrics
        """The metrics, for the page that shows them."""
        self._tracers = tuple(tracers)

    def measure(self, operation: Operation, name: str = "", parent: str = "") -> AbstractContextManager[Measured]:
        """Measure with everybody."""
        if not self._tracers:
            return self.metrics.measure(operation, name, parent)
        everybody: tuple[Observer, ...] = (self.metrics, *self._tracers)
        return _Together(everybody, operation, name, parent)

    def count(self, what: Counted, outcome: str) -> None:
        """Count it; traces have no counts."""
        self.metrics.count(what, outcome)

    def watch(self, read: Callable[[], Iterable[Reading]]) -> None:
        """Read these values off at every scrape."""
        self.metrics.watch(read)

    def close(self) -> None:
        """Send the traces that are left, for a bounded time, and end."""
        for tracer in self._tracers:
            tracer.close()


class _Together:
    """One operation that everybody measures."""

    def __init__(self, everybody: Sequence[Observer], operation: Operation, name: str, parent: str) -> None:
        self._stack = ExitStack()
        self._measuring = [observer.measure(operation, name, parent) for observer in everybody]
        self._measured: list[Measured] = []

    def __enter__(self) -> _Together:
        self._measured = [self._stack.enter_context(measuring) for measuring in self._measuring]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def tell(self, name: str, value: str | float | bool) -> None:
        """Tell everybody."""
        for measured in self._measured:
            measured.tell(name, value)

    def quote(self, name: str, text: str) -> None:
        """Tell everybody."""
        for measured in self._measured:
            measured.quote(name, text)


def start_observing(settings: TelemetrySettings) -> Observing:
    """Return who watches a server: metrics, and traces as the settings say.

    Args:
        settings: Where traces go.

    Raises:
        MissingDependencyError: Traces are wanted, and the packages that send them are not installed.
        InvalidInputError: An address is none.
    """
    metrics = PrometheusObserver()
    if not settings.wants_traces:
        return Observing(metrics)
    from zaxy.observability.tracing import make_tracer

    return Observing(metrics, [make_tracer(settings, metrics.count)])
