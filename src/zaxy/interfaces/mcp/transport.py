"""MCP over two file descriptors: one JSON-RPC message a line, nothing else on the output.

The SDK's own stdio transport reads in a thread that no signal can end, drops requests that are under way when its input
closes, and leaves a line that it cannot read unanswered. This one waits for its input in the event loop, answers what
it was asked before it ends, and answers every line that asks for something.
"""

from __future__ import annotations

import io
import logging
import os
import select
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types.jsonrpc import (
    INTERNAL_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from zaxy.errors import UnavailableError
from zaxy.interfaces.mcp.messages import LONGEST_LINE_BYTES, UnreadableMessageError, parse_message

logger = logging.getLogger("zaxy.mcp")

MOST_UNANSWERED: Final = 64
"""Requests under way at once; further ones wait in the pipe."""

DRAIN_SECONDS: Final = 10.0
"""How long the answers that are still owed may take after the input has ended."""

_CHUNK_BYTES: Final = 64 * 1024

Incoming = MemoryObjectReceiveStream[SessionMessage | Exception]
Outgoing = MemoryObjectSendStream[SessionMessage]


@contextmanager
def standard_descriptors() -> Iterator[tuple[int, int]]:
    """Take standard input and output for the protocol; whatever else writes to standard output goes to standard error.

    Raises:
        UnavailableError: Standard output is closed.
    """
    try:
        wire = os.dup(1)
    except OSError as error:
        raise UnavailableError("standard output is closed", remedy="start the server from an MCP client") from error
    with suppress(OSError):  # without a standard error there is nowhere to send stray output
        os.dup2(2, 1)
    try:
        yield 0, wire
    finally:
        os.dup2(wire, 1)
        os.close(wire)


class LineTransport:
    """Carries messages between two descriptors and an MCP server.

    Args:
        input_descriptor: Where requests come from: a pipe, a socket, a terminal or a file.
        output_descriptor: Where answers go.
    """

    def __init__(self, input_descriptor: int, output_descriptor: int) -> None:
        self._input = input_descriptor
        self._output = io.FileIO(output_descriptor, "w", closefd=False)
        self._unanswered: set[str] = set()
        self._answered = anyio.Event()
        self._stopping = anyio.Event()
        self._is_broken = False
        self._waiting = anyio.CancelScope()

    def stop(self) -> None:
        """Take no further requests; what is under way is still answered."""
        self._stopping.set()
        self._waiting.cancel()

    @asynccontextmanager
    async def streams(self) -> AsyncIterator[tuple[Incoming, Outgoing]]:
        """Yield the streams that the SDK's server runs on. The first ends once the input has and all is answered."""
        to_server, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        outgoing, from_server = anyio.create_memory_object_stream[SessionMessage](0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read, to_server, outgoing.clone())
            tasks.start_soon(self._write, from_server)
            yield incoming, outgoing

    async def _read(self, to_server: MemoryObjectSendStream[SessionMessage | Exception], replies: Outgoing) -> None:
        async with to_server, replies:
            async for line in self._lines():
                try:
                    message = parse_message(line)
                except UnreadableMessageError as error:
                    await replies.send(SessionMessage(error.answer))
                    continue
                self._note(message)
                await to_server.send(SessionMessage(message))
                await self._until_unanswered_below(MOST_UNANSWERED)
            with anyio.move_on_after(DRAIN_SECONDS):
                await self._until_unanswered_below(1)

    def _note(self, message: JSONRPCMessage) -> None:
        """Remember what has to be answered. The SDK answers no request that its client has cancelled."""
        if isinstance(message, JSONRPCRequest):
            self._unanswered.add(str(message.id))
        elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            self._settle((message.params or {}).get("requestId"))

    def _settle(self, request_id: RequestId | None) -> None:
        self._unanswered.discard(str(request_id))
        self._answered.set()
        self._answered = anyio.Event()

    async def _until_unanswered_below(self, count: int) -> None:
        while len(self._unanswered) >= count:
            await self._answered.wait()

    async def _lines(self) -> AsyncIterator[bytes]:
        """Yield the lines of the input; of one that is too long only so much that its length shows."""
        held, is_skipping = bytearray(), False
        async for chunk in self._chunks():
            *lines, rest = chunk.split(b"\n")
            for line in lines:
                if not is_skipping and (held or line.strip()):
                    yield bytes(held + line)
                held, is_skipping = bytearray(), False
            if is_skipping:
                continue
            held += rest
            if len(held) > LONGEST_LINE_BYTES:
                yield bytes(held)
                held, is_skipping = bytearray(), True
        if held.strip() and not self._stopping.is_set():
            yield bytes(held)

    async def _chunks(self) -> AsyncIterator[bytes]:
        while not self._stopping.is_set():
            with anyio.CancelScope() as self._waiting:
                await _ready(anyio.wait_readable, self._input)
            if self._stopping.is_set():
                return
            try:
                chunk = os.read(self._input, _CHUNK_BYTES)
            except OSError as error:
                logger.warning("standard input cannot be read: %s", error)
                return
            if not chunk:
                return
            yield chunk

    async def _write(self, from_server: MemoryObjectReceiveStream[SessionMessage]) -> None:
        async with from_server:
            async for item in from_server:
                await self._send(_encode(item.message))
                if isinstance(item.message, JSONRPCResponse | JSONRPCError):
                    self._settle(item.message.id)

    async def _send(self, line: bytes) -> None:
        """Write a line in pieces that a pipe takes without blocking once it says that it is ready."""
        for start in range(0, len(line), select.PIPE_BUF):
            piece = memoryview(line)[start : start + select.PIPE_BUF]
            while piece and not self._is_broken:
                await _ready(anyio.wait_writable, self._output.fileno())
                try:
                    piece = piece[self._output.write(piece) :]
                except OSError as error:
                    logger.warning("the client does not read any more: %s", error)
                    self._is_broken = True
                    self.stop()


async def _ready(wait: Callable[[int], Awaitable[None]], descriptor: int) -> None:
    """Wait for a descriptor. The event loop refuses plain files and the null device, which are always ready."""
    with suppress(PermissionError):
        await wait(descriptor)


def _encode(message: JSONRPCMessage) -> bytes:
    try:
        return message.model_dump_json(by_alias=True, exclude_unset=True).encode("utf-8") + b"\n"
    except ValueError as error:  # a log that another program wrote may hold text that cannot be encoded
        logger.warning("an answer could not be encoded: %s", error)
        refused = ErrorData(code=INTERNAL_ERROR, message="the answer holds text that cannot be encoded as UTF-8")
        request_id = message.id if isinstance(message, JSONRPCResponse | JSONRPCError) else None
        return _encode(JSONRPCError(jsonrpc="2.0", id=request_id, error=refused))
