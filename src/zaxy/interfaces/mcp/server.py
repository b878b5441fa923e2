"""The MCP server over stdio. Importing this module imports the SDK."""

from __future__ import annotations

import signal

import anyio

from zaxy.config import Settings
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.calls.runner import CallRunner
from zaxy.interfaces.mcp.protocol import build_server
from zaxy.interfaces.mcp.transport import LineTransport, standard_descriptors
from zaxy.observability.logs import start_logging
from zaxy.telemetry import SILENT, Observer

_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def serve_stdio(settings: Settings, profile: str = "full") -> None:
    """Serve the memory's tools on standard input and output until the input ends or a signal asks to end.

    Standard output carries the protocol only; messages for people go to standard error. A call that has begun is
    finished before this returns.

    Args:
        settings: Where everything is, and the admin token.
        profile: Which tools are offered: ``core`` or ``full``.

    Raises:
        InvalidInputError: A setting cannot be used, or there is no such profile.
        MissingDependencyError: The graph back end, or what sends traces, is not part of this installation.
        UnavailableError: Standard output is closed.
    """
    start_logging(settings.telemetry)
    if not settings.telemetry.wants_traces:
        anyio.run(_serve, settings, profile, SILENT)
        return
    from zaxy.observability.tracing import make_tracer

    tracer = make_tracer(settings.telemetry)
    try:
        anyio.run(_serve, settings, profile, tracer)
    finally:
        tracer.close()


async def _serve(settings: Settings, profile: str, observer: Observer) -> None:
    fabric = MemoryFabric.from_settings(settings, observer=observer)
    async with fabric:
        runner = CallRunner(fabric, settings.admin_token)
        server = build_server(runner, profile)
        with standard_descriptors() as descriptors:
            transport = LineTransport(*descriptors)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_stop_on_signal, transport)
                async with transport.streams() as (incoming, outgoing):
                    await server.run(incoming, outgoing, server.create_initialization_options())
                tasks.cancel_scope.cancel()
        await runner.finish()


async def _stop_on_signal(transport: LineTransport) -> None:
    with anyio.open_signal_receiver(*_ENDING_SIGNALS) as signals:
        async for _ in signals:
            transport.stop()
