"""What every HTTP server here shares: listening, running until a signal ends it, and how an address is shown."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Final

import uvicorn

from zaxy.errors import UnavailableError
from zaxy.interfaces.http.connections import TimedConnection

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_IDLE_TIMEOUT_SECONDS: Final = 5
_ENDING_TIMEOUT_SECONDS: Final = 10
_MOST_CONNECTIONS: Final = 128
_ENDING_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on an address for the length of a ``with`` block.

    Args:
        host: The address.
        port: The port; 0 for any free one.

    Raises:
        UnavailableError: The address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise UnavailableError(f"{host}:{port} cannot be listened on: {error}", remedy="choose another port") from error
    with listener:
        # connections inherit it; asyncio sets it only where a socket was made with its protocol's number
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener


def url_of(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run_server(
    app: ASGIApp,
    listener: socket.socket,
    *,
    on_signal: Callable[[], None] = lambda: None,
    open_streams: int = 0,
) -> None:
    """Serve an application until SIGTERM or SIGINT; requests that have begun are finished first.

    A second signal ends the process at once, by that signal: whatever was acknowledged is on disk.

    Args:
        app: The application.
        listener: Where requests come from.
        on_signal: Called once, in a signal handler, when the server begins to end.
        open_streams: How many clients may be connected besides the usual number, because they only listen.
    """
    config = uvicorn.Config(
        app,
        http=TimedConnection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS + open_streams,
        timeout_keep_alive=_IDLE_TIMEOUT_SECONDS,
        timeout_graceful_shutdown=_ENDING_TIMEOUT_SECONDS,
    )
    server = _Server(config, on_signal)
    with _ended_by_signals(server):
        server.run(sockets=[listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_signal: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_signal = on_signal

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            signal.signal(sig, signal.SIG_DFL)
            os.kill(os.getpid(), sig)
        super().handle_exit(sig, frame)
        self._on_signal()


@contextlib.contextmanager
def _ended_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """Let the server return when a signal ends it, instead of dying of the signal, which it raises again at its end."""

    def end(*_: object) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in _ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
