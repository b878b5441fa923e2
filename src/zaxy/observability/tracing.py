"""Traces: a span for each operation, sent in batches from a thread of its own.

OpenTelemetry's SDK makes the spans. Its further settings (``OTEL_TRACES_SAMPLER``, ``OTEL_EXPORTER_OTLP_HEADERS``,
``OTEL_BSP_*``) are read by the SDK itself, as its documentation says. A collector that does not answer costs spans,
never an answer: the queue is bounded, and what does not fit is dropped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import version
from types import TracebackType
from typing import Final

from zaxy.endpoint import Endpoint
from zaxy.errors import MissingDependencyError, ZaxyError
from zaxy.telemetry import Counted, Operation, Reading, Reason
from zaxy.telemetry_settings import TelemetrySettings

try:
    from opentelemetry.context import Context
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError as error:
    raise MissingDependencyError(
        "traces are wanted (OTEL_EXPORTER_OTLP_ENDPOINT or PATHLIGHT_ENABLED), and OpenTelemetry is not installed",
        remedy="pip install 'zaxy-memory[otel]' (for Pathlight: 'zaxy-memory[pathlight]'), or leave the setting out",
    ) from error

TRACES_PATH: Final = "/v1/traces"
_END_SECONDS: Final = 5.0
_EXPORT_TIMEOUT_SECONDS: Final = 5.0
_HTTP_NAMES: Final = {"method": "http.request.method", "status": "http.response.status_code"}

Count = Callable[[Counted, str], None]


class TracingObserver:
    """Makes a span of each operation. Safe to share between threads and tasks.

    What was asked is an attribute only where the operator allows it; what was recorded never is, and of an error only
    its code.

    Args:
        exporters: Where spans go.
        service_name: How the server is named.
        with_text: Whether spans may hold what was asked.
        count: Told of spans that could not be sent.
    """

    def __init__(self, exporters: Sequence[SpanExporter], *, service_name: str, with_text: bool, count: Count) -> None:
        resource = Resource.create({"service.name": service_name, "service.version": version("zaxy-memory")})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._exporters = [_Counting(exporter, count) for exporter in exporters]
        for exporter in self._exporters:
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("zaxy", version("zaxy-memory"))
        self._with_text = with_text

    def measure(self, operation: Operation, name: str = "", parent: str = "") -> _Traced:
        """Make a span of what happens inside of the ``with`` block."""
        context = TraceContextTextMapPropagator().extract({"traceparent": parent}, Context()) if parent else None
        return _Traced(self._tracer, operation, name, context, with_text=self._with_text)

    def count(self, what: Counted, outcome: str) -> None:
        """Count nothing: that is what metrics are for."""

    def watch(self, read: Callable[[], Iterable[Reading]]) -> None:
        """Read nothing off."""

    def close(self) -> None:
        """Send what is left, for five seconds at most; what is not sent by then is dropped, and no thread goes on."""
        ending = threading.Thread(target=self._provider.shutdown, name="zaxy-traces-end", daemon=True)
        ending.start()
        ending.join(_END_SECONDS)
        for exporter in self._exporters:
            exporter.shutdown()


class _Traced:
    """One operation as a span, which is the parent of those that are measured inside."""

    def __init__(
        self, tracer: Tracer, operation: Operation, name: str, context: Context | None, *, with_text: bool
    ) -> None:
        self._is_request = operation is Operation.REQUEST
        self._current: AbstractContextManager[Span] = tracer.start_as_current_span(
            f"{operation} {name}" if name else str(operation),
            context,
            kind=SpanKind.SERVER if self._is_request else SpanKind.INTERNAL,
            attributes=_attributes(operation, name),
            record_exception=False,  # its message may hold what was asked or recorded
            set_status_on_exception=False,
        )
        self._with_text = with_text

    def __enter__(self) -> _Traced:
        self._span = self._current.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            code = error.code if isinstance(error, ZaxyError) else type(error).__name__
            self._span.set_attribute("error.type", code)
            self._span.set_status(Status(StatusCode.ERROR, code))
        self._current.__exit__(kind, error, trace)

    def tell(self, name: str, value: str | float | bool) -> None:
        """Make an attribute of it."""
        self._span.set_attribute(_HTTP_NAMES.get(name, f"zaxy.{name}") if self._is_request else f"zaxy.{name}", value)
        if self._is_request and name == "status" and isinstance(value, int) and value >= 500:
            self._span.set_status(Status(StatusCode.ERROR))

    def quote(self, name: str, text: str) -> None:
        """Make an attribute of it where that is allowed."""
        if self._with_text:
            self._span.set_attribute(f"zaxy.{name}", text)


def _attributes(operation: Operation, name: str) -> dict[str, str]:
    names = {Operation.REQUEST: "http.route", Operation.CALL: "zaxy.tool", Operation.PROJECTION: "zaxy.store"}
    return {names[operation]: name} if name and operation in names else {}


class _Counting(SpanExporter):
    """An exporter that tells when spans could not be sent."""

    def __init__(self, exporter: SpanExporter, count: Count) -> None:
        self._exporter = exporter
        self._count = count
        self._ended = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans, as long as it has not ended."""
        result = SpanExportResult.FAILURE if self._ended.is_set() else self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._count(Counted.DEGRADED, Reason.TRACES_DROPPED)
        return result

    def shutdown(self) -> None:
        """End, and give up what is being tried again."""
        if not self._ended.is_set():
            self._ended.set()
            self._exporter.shutdown()


def make_tracer(settings: TelemetrySettings, count: Count = lambda _what, _outcome: None) -> TracingObserver:
    """Return the tracer that the settings ask for.

    Args:
        settings: Where spans go.
        count: Told of spans that could not be sent.

    Raises:
        MissingDependencyError: The Pathlight package is needed and not installed.
        InvalidInputError: An address is none.
    """
    exporters: list[SpanExporter] = []
    if settings.otlp_endpoint is not None:
        url = f"{settings.otlp_endpoint.rstrip('/')}{TRACES_PATH}"
        Endpoint(url, what="trace")  # refuses what is no address, before the first span is lost to it
        exporters.append(OTLPSpanExporter(endpoint=url, timeout=_EXPORT_TIMEOUT_SECONDS))
    if settings.pathlight_enabled:
        from zaxy.observability.pathlight import PathlightExporter

        exporters.append(PathlightExporter(settings.pathlight_url, settings.pathlight_access_token))
    return TracingObserver(
        exporters, service_name=settings.service_name, with_text=settings.trace_raw_queries, count=count
    )
