"""How much one request, and all requests together, may take: bytes, time to arrive, and how many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from zaxy.errors import BusyError, InvalidInputError, PayloadTooLargeError, UnavailableError, ZaxyError
from zaxy.interfaces.http.answers import refuse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_BODY_BYTES: Final = 4 * 1024 * 1024
BODY_TIMEOUT_SECONDS: Final = 30.0
MOST_REQUESTS: Final = 64


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What requests may take.

    Attributes:
        body_bytes: How long a body may be.
        body_seconds: How long it may take to arrive, from the first look for it on.
        requests: How many may be under way at once.
    """

    body_bytes: int = LONGEST_BODY_BYTES
    body_seconds: float = BODY_TIMEOUT_SECONDS
    requests: int = MOST_REQUESTS


class Limits:
    """Refuses requests that take too much: 413, 408, and 503 with ``Retry-After``.

    No more of a body than the limit is ever held, whether its length was told or not, and none of it is read before
    somebody wants it.

    Args:
        app: What answers the others.
        limits: What they may take.
        uncounted: Paths that are answered however many requests are under way: of a supervisor, and of open streams.
    """

    def __init__(
        self, app: ASGIApp, limits: RequestLimits | None = None, *, uncounted: Collection[str] = frozenset()
    ) -> None:
        self._app = app
        self._limits = limits or RequestLimits()
        self._uncounted = frozenset(uncounted)
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told_bytes, is_chunked = _told_length(scope)
        if told_bytes is not None and is_chunked:
            error = InvalidInputError("the request tells its length in two ways")  # RFC 9112, section 6.1
            await refuse(send, error, status=400, headers=_CLOSE)
            return
        if (told_bytes or 0) > self._limits.body_bytes:
            await refuse(send, self._too_long(), headers=_CLOSE)
            return
        counts = 0 if scope["method"] == "GET" and scope["path"] in self._uncounted else 1
        if counts and self._under_way >= self._limits.requests:
            await refuse(send, self._too_many(), headers=_CLOSE)
            return
        limited = _Limited(self, receive, send, counts)
        self._under_way += counts
        try:
            await self._app(scope, limited.receive, limited.send)
        finally:
            self._under_way -= counts

    async def body(self, receive: Receive, counts: int) -> Message:
        """Return a request's whole body as one message, or that its client is gone.

        As long as it arrives the request is not under way: whoever sends slowly takes nobody's place.

        Args:
            receive: Where it comes from.
            counts: How much the request counts among those under way.

        Raises:
            PayloadTooLargeError: It is too long.
            BusyError: Too many others are under way by now.
            TimeoutError: It does not come.
        """
        self._under_way -= counts
        try:
            message = await self._arrived(receive)
        finally:
            self._under_way += counts
        if counts and self._under_way > self._limits.requests:
            raise self._too_many()
        return message

    async def _arrived(self, receive: Receive) -> Message:
        parts: list[bytes] = []
        length = 0
        async with asyncio.timeout(self._limits.body_seconds):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return message
                part = message.get("body", b"")
                length += len(part)
                if length > self._limits.body_bytes:
                    raise self._too_long()
                parts.append(part)
                if not message.get("more_body", False):
                    return {"type": "http.request", "body": b"".join(parts), "more_body": False}

    def _too_many(self) -> BusyError:
        told = f"the server has {self._limits.requests} requests under way, and takes no more at once"
        return BusyError(told, remedy="try again")

    def _too_long(self) -> PayloadTooLargeError:
        return PayloadTooLargeError(f"a request's body has at most {self._limits.body_bytes:,} bytes")


class _Limited:
    """One request: once it was refused here, what answers it sees that its client is gone, and is not heard."""

    def __init__(self, limits: Limits, receive: Receive, send: Send, counts: int) -> None:
        self._limits = limits
        self._counts = counts
        self._receive = receive
        self._send = send
        self._is_read = False
        self._is_refused = False
        self._has_begun = False

    async def receive(self) -> Message:
        if self._is_refused:
            return _GONE
        if self._is_read:
            return await self._receive()
        self._is_read = True
        try:
            return await self._limits.body(self._receive, self._counts)
        except (PayloadTooLargeError, BusyError) as error:
            return await self._refuse(error)
        except TimeoutError:
            return await self._refuse(UnavailableError("the request's body did not arrive in time"), 408)

    async def _refuse(self, error: ZaxyError, status: int | None = None) -> Message:
        self._is_refused = True
        if not self._has_begun:
            await refuse(self._send, error, status=status, headers=_CLOSE)
        return _GONE

    async def send(self, message: Message) -> None:
        if not self._is_refused:
            self._has_begun = True
            await self._send(message)


_GONE: Final[Message] = {"type": "http.disconnect"}
_CLOSE: Final = ((b"connection", b"close"),)
"""The rest of such a request is not read, so that no other can follow it on its connection."""


def _told_length(scope: Scope) -> tuple[int | None, bool]:
    """Return how many bytes the body is told to have, and whether it comes in chunks."""
    told = {name: value for name, value in scope["headers"] if name in (b"content-length", b"transfer-encoding")}
    length = told.get(b"content-length", b"")
    return int(length[:20]) if length.isdigit() else None, b"transfer-encoding" in told
