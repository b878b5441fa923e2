"""Answers that stay open until somebody ends them: a server that ends would wait for them in vain.

They are bounded by themselves: what clients keep open without asking anything must not take the place of their calls.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from zaxy.errors import BusyError
from zaxy.interfaces.calls.caller import LOCAL, Caller
from zaxy.interfaces.http.answers import refuse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


MOST_STREAMS: Final = 128
_REFUSED: Final = ((b"connection", b"close"), (b"retry-after", b"10"))
"""Streams stay open for long, so that asking again at once is of no use."""


class OpenStreams:
    """Knows the answers that are open, lets no more than some be open at once, and ends them all.

    Args:
        most: How many may be open at once; a quarter of them for one identity, but for the programs of this machine:
            where those need no credentials, nobody else comes.
    """

    def __init__(self, most: int = MOST_STREAMS) -> None:
        self._most = most
        self._open: dict[asyncio.Task[None], str] = {}  # by whom, empty where that needs no limit
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_ending = False

    def end(self) -> None:
        """End the streams that are open, and each later one at once. To be called from a signal handler."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._is_ending = True
        for task in self._open:
            task.cancel()

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let an application answer until it is done or the streams are ended; its client gets a complete answer.

        One stream too many is refused: 503, with ``Retry-After``.
        """
        caller: Caller = scope.get("state", {}).get("caller", LOCAL)
        identity = "" if caller.identity == LOCAL.identity else caller.identity
        told = self._too_many(identity)
        if told:
            await refuse(send, BusyError(told, remedy="close a stream, or make calls without one"), headers=_REFUSED)
            return
        self._loop = asyncio.get_running_loop()
        has_begun = is_complete = False

        async def watched(message: Message) -> None:
            nonlocal has_begun, is_complete
            has_begun = True
            is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        async def answered() -> None:
            await app(scope, receive, watched)

        task = asyncio.create_task(answered())
        self._open[task] = identity
        if self._is_ending:
            task.cancel()
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:  # the server itself gives the request up
            task.cancel()
            raise
        finally:
            del self._open[task]
        if not task.cancelled():
            task.result()
        elif is_complete:  # it was ended between its last word and its end
            return
        elif has_begun:
            await send({"type": "http.response.body", "body": b""})
        else:
            await refuse(send, BusyError("the server is ending"))

    def _too_many(self, identity: str) -> str:
        """Return why no further stream is opened for somebody, nothing when one is."""
        most_of_one = self._most // 4
        if len(self._open) >= self._most:
            return f"the server has {self._most} streams open, and opens no more at once; calls are answered"
        if identity and list(self._open.values()).count(identity) >= most_of_one:
            return f"{most_of_one} of your streams are open, and no more are opened at once; calls are answered"
        return ""


class Streaming:
    """Lets `OpenStreams` run the GET requests of an application: those whose answers stay open.

    Args:
        app: What answers.
        streams: Runs them.
    """

    def __init__(self, app: ASGIApp, streams: OpenStreams) -> None:
        self._app = app
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http" and scope["method"] == "GET":
            await self._streams.run(self._app, scope, receive, send)
        else:
            await self._app(scope, receive, send)
