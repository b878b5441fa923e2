"""Spans for a Pathlight collector, by Pathlight's own package.

Its collector wants a trace before its spans and a span before its children, while spans end in the opposite order; so
they are kept until the one at the top has ended.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode

from zaxy.endpoint import Endpoint
from zaxy.errors import MissingDependencyError

try:
    from pathlight import Pathlight, Span, Trace
except ImportError as error:
    raise MissingDependencyError(
        "PATHLIGHT_ENABLED is true, and the package that talks to Pathlight is not installed",
        remedy="pip install 'zaxy-memory[pathlight]', or set PATHLIGHT_ENABLED=false",
    ) from error

logger = logging.getLogger("zaxy.observability")

_TIMEOUT_SECONDS: Final = 5.0
_REST_SECONDS: Final = 10.0
_MOST_KEPT_TRACES: Final = 1_000
_MOST_KEPT_SPANS: Final = 200
_NANOSECONDS: Final = 1_000_000_000


class PathlightExporter(SpanExporter):
    """Sends spans to a Pathlight collector. Called by one thread, that of its batches.

    Args:
        url: Where the collector is.
        access_token: Sent as a bearer token.

    Raises:
        InvalidInputError: The address is none.
    """

    def __init__(self, url: str, access_token: str | None) -> None:
        Endpoint(url, what="Pathlight", api_key=access_token)  # refuses what is no address and no token
        self._client = Pathlight(base_url=url, api_key=access_token, disable_git_context=True, timeout=_TIMEOUT_SECONDS)
        self._kept: OrderedDict[int, list[ReadableSpan]] = OrderedDict()
        self._rest_until = 0.0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send the traces that are whole now; a collector that failed is left alone for ten seconds."""
        whole = [tops for span in spans if (tops := self._keep(span)) is not None]
        if whole and time.monotonic() < self._rest_until:
            return SpanExportResult.FAILURE
        try:
            for top, below in whole:
                self._send(top, below)
        except Exception as error:  # whatever the package raises: traces break nothing
            logger.warning("Pathlight does not take traces: %s", type(error).__name__)
            self._rest_until = time.monotonic() + _REST_SECONDS
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def _keep(self, span: ReadableSpan) -> tuple[ReadableSpan, list[ReadableSpan]] | None:
        """Return the span with all below it when it is the top one of this process, else keep it."""
        trace_id = span.context.trace_id
        if span.parent is None or span.parent.is_remote:
            return span, self._kept.pop(trace_id, [])
        below = self._kept.setdefault(trace_id, [])
        if len(below) < _MOST_KEPT_SPANS:
            below.append(span)
        if len(self._kept) > _MOST_KEPT_TRACES:
            self._kept.popitem(last=False)
        return None

    def _send(self, top: ReadableSpan, below: Sequence[ReadableSpan]) -> None:
        metadata = {"service": top.resource.attributes.get("service.name"), "trace_id": f"{top.context.trace_id:032x}"}
        trace = self._client.trace(top.name, metadata=metadata)
        spans = sorted((top, *below), key=lambda span: span.start_time or 0)
        sent: dict[int, Span] = {}
        for span in spans:
            parent = None if span.parent is None else sent.get(span.parent.span_id)
            attributes = dict(span.attributes or {})
            sent[span.context.span_id] = trace.span(
                span.name,
                type=_type_of(attributes),
                parent_span_id=None if parent is None else parent.id,
                metadata=attributes,
            )
        for span in reversed(spans):
            _end(sent[span.context.span_id], span)
        _end(trace, top)

    def shutdown(self) -> None:
        """Close the connections."""
        self._client.close()


def _type_of(attributes: dict[str, Any]) -> Any:
    if "zaxy.tool" in attributes:
        return "tool"
    return "retrieval" if "zaxy.lanes" in attributes else "custom"


def _end(sent: Span | Trace, span: ReadableSpan) -> None:
    """End what was begun at the collector, with the time that the operation took instead of that of sending it."""
    seconds = ((span.end_time or 0) - (span.start_time or 0)) / _NANOSECONDS
    sent._start = time.perf_counter() - seconds  # the package takes no duration, only when it began
    failed = span.status.status_code is StatusCode.ERROR
    sent.end(error=span.status.description or "error" if failed else None)
