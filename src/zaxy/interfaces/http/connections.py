"""Connections of the HTTP server: closed when a request does not come whole in time, or nobody takes the answers."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_TIMEOUT_SECONDS: Final = 20.0
"""How long a connection may be without a request: one that has sent nothing, or a part of a request's head. And how
long an answer may lie of which its client takes nothing: such a connection would stay for ever, closed or not."""


_logger: Final = logging.getLogger("uvicorn.error.connection")
_logger.setLevel(logging.ERROR)  # warnings tell what a client sent, and any stranger can send it without end


class TimedConnection(H11Protocol):
    """One connection. The limit that the server has itself ends with the first byte that comes after an answer."""

    _watching: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.logger = _logger

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the server's own
        """Begin to watch it."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Watch it no more."""
        if self._watching is not None:
            self._watching.cancel()
        super().connection_lost(exc)

    def _watch(self) -> None:
        unsent_bytes = self.transport.get_write_buffer_size()
        self._watching = self.loop.call_later(
            HEAD_TIMEOUT_SECONDS, self._look, self._has_no_request(), self.cycle, unsent_bytes
        )

    def _has_no_request(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _look(self, had_no_request: bool, after: object, unsent_bytes: int) -> None:
        if unsent_bytes and self.transport.get_write_buffer_size() == unsent_bytes:
            self.transport.abort()
            return
        if had_no_request and self._has_no_request() and self.cycle is after:
            self.transport.close()
        self._watch()  # also of one that is closed: it goes only when all of its answers are taken
