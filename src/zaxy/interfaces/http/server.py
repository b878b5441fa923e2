"""The HTTP server of a memory, as a process runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from zaxy.config import Settings
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.http.app import make_app
from zaxy.interfaces.http.guard import Bound
from zaxy.interfaces.http.readers import reader_count
from zaxy.interfaces.http.serving import listening, run_server, url_of
from zaxy.interfaces.http.streams import MOST_STREAMS, OpenStreams
from zaxy.observability.logs import start_logging
from zaxy.observability.observing import start_observing
from zaxy.services.capture.hooks.server_note import leaving_note


def serve_http(settings: Settings, *, transport: str, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve a memory until SIGTERM or SIGINT; calls that have begun are finished before this returns.

    Args:
        settings: Where everything is, who may ask, how often, and what is noted of it. `load_for_serving` gives them,
            after a look whether they are fit for the address.
        transport: ``http``; ``sse`` also serves older MCP clients.
        host: Address to listen on.
        port: Port to listen on; 0 for any free one.
        on_ready: Told the URL once requests are taken.

    Raises:
        InvalidInputError: A setting cannot be used.
        UnavailableError: The address cannot be listened on.
    """
    settings = replace(settings, serving=replace(settings.serving, readers=reader_count(settings.serving.readers)))
    start_logging(settings.telemetry)
    observing = start_observing(settings.telemetry)
    try:
        with listening(host, port) as listener:
            url, streams = url_of(listener), OpenStreams()
            app = make_app(
                MemoryFabric.from_settings(settings, observer=observing),
                settings,
                transport=transport,
                bound=Bound(host, listener.getsockname()[1]),
                streams=streams,
                on_start=lambda: on_ready(url),
            )
            serving = settings.serving
            asks = serving.asks_for_credentials or not Bound(host).is_loopback or serving.allowed_hosts
            with leaving_note(settings, "" if asks else url):
                run_server(app, listener, on_signal=streams.end, open_streams=MOST_STREAMS)
    finally:
        observing.close()
