"""Real servers that take traces, and keep what they were sent."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Collector:
    """What was sent, and what is answered. Nothing is answered as long as `hold` is not set."""

    url: str = ""
    status: int = 200
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)

    @property
    def everything(self) -> bytes:
        """All bytes that were sent."""
        return b"".join(body for *_, body in self.requests)

    @property
    def spans(self) -> list[dict[str, Any]]:
        """The spans of all requests by OTLP: name, ids in hexadecimal digits, attributes, status, kind."""
        found = []
        for _, _, _, body in self.requests:
            told = ExportTraceServiceRequest.FromString(body)
            found += [
                {
                    "name": span.name,
                    "id": span.span_id.hex(),
                    "trace": span.trace_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "kind": span.kind,
                    "status": (span.status.code, span.status.message),
                    "seconds": (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                    "events": len(span.events),
                    **{one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes},
                }
                for resource in told.resource_spans
                for scope in resource.scope_spans
                for span in scope.spans
            ]
        return found

    def named(self, name: str) -> dict[str, Any]:
        """Return the one span with this name."""
        (span,) = [span for span in self.spans if span["name"] == name]
        return span

    @property
    def sent(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Method, path and JSON of each request."""
        return [(method, path, json.loads(body)) for method, path, _, body in self.requests]


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """Give a collector on a port of its own. What is created there gets the ids ``id-1``, ``id-2``…"""
    told = Collector()
    told.hold.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            told.requests.append((self.command, self.path, headers, body))
            answer = json.dumps({"id": f"id-{len(told.requests)}"}).encode()
            told.hold.wait(30)
            with contextlib.suppress(OSError):  # the client did not wait
                self.send_response(told.status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        def do_PATCH(self) -> None:
            self.do_POST()

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        told.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield told
        told.hold.set()
        listening.shutdown()
        thread.join()
