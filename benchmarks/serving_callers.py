"""Ways to make calls of a server: as JSON over HTTP, and as MCP over streamable HTTP or standard input and output.

The HTTP in here is a small part of HTTP/1.1, because client and server share the processors.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import orjson

_CONNECTIONS: Final = 32
_IDLE_SECONDS: Final = 3.0
_PROTOCOL_VERSION: Final = "2025-06-18"


class CallFailedError(Exception):
    """Raised when the server answers with an error."""


class Connection:
    """One kept-alive connection: one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host

    @classmethod
    async def to(cls, url: str) -> Connection:
        """Connect."""
        place = urlsplit(url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=16 * 1024 * 1024)
        return cls(reader, writer, place.netloc)

    def send(self, line: str, headers: dict[str, str], body: bytes = b"") -> None:
        """Send a request."""
        told = {"Host": self._host, "Content-Length": str(len(body)), **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        self._writer.write(f"{line} HTTP/1.1\r\n{head}\r\n".encode() + body)

    async def head(self) -> tuple[int, dict[str, str]]:
        """Return status and headers of the next answer."""
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines[1:] if line)
        return int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    async def chunk(self) -> bytes:
        """Return the next chunk of an answer, nothing at its end."""
        size = int(await self._reader.readline(), 16)
        return (await self._reader.readexactly(size + 2))[:-2]

    async def post(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Make a request; return status, headers and body of the answer."""
        self.send(f"POST {path}", {"Content-Type": "application/json", **headers}, body)
        status, told = await self.head()
        if "content-length" in told:
            return status, told, await self._reader.readexactly(int(told["content-length"]))
        parts = []
        while part := await self.chunk():
            parts.append(part)
        return status, told, b"".join(parts)

    def close(self) -> None:
        """Close it."""
        self._writer.close()


class Pool:
    """Keeps connections for requests that are made at the same time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[tuple[float, Connection]] = []
        self._free = asyncio.Semaphore(_CONNECTIONS)

    async def post(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Make a request on a free connection."""
        async with self._free:
            connection = self._kept() or await Connection.to(self._url)
            try:
                answer = await connection.post(path, headers, body)
            except BaseException:
                connection.close()
                raise
            if answer[1].get("connection") == "close":
                connection.close()
            else:
                self._idle.append((asyncio.get_running_loop().time(), connection))
            return answer

    def _kept(self) -> Connection | None:
        """Return the connection that was used last, unless the server may be about to close it."""
        if self._idle:
            since, connection = self._idle.pop()
            if asyncio.get_running_loop().time() - since < _IDLE_SECONDS:
                return connection
            for _, each in [(since, connection), *self._idle]:
                each.close()
            self._idle.clear()
        return None


class Caller(Protocol):
    """Makes calls in one protocol."""

    async def begin(self) -> None:
        """Do what comes before the first call."""
        ...

    async def call(self, tool: str, arguments: dict[str, Any]) -> None:
        """Make a call.

        Raises:
            CallFailedError: It failed.
        """
        ...

    async def end(self) -> None:
        """Do what comes after the last call."""
        ...


class Rest:
    """The calls as JSON over HTTP. Each kind has connections of its own, as different agents have."""

    def __init__(self, url: str) -> None:
        self._pools: defaultdict[str, Pool] = defaultdict(lambda: Pool(url))

    async def begin(self) -> None:
        """There is nothing to do."""

    async def end(self) -> None:
        """There is nothing to do."""

    async def call(self, tool: str, arguments: dict[str, Any]) -> None:
        """Make a call."""
        path = f"/v1/{tool.removeprefix('memory_')}"
        status, _, body = await self._pools[tool].post(path, {}, orjson.dumps(arguments))
        if status != 200:
            raise CallFailedError(f"{status} {body[:200]!r}")
        orjson.loads(body)


def _message(method: str, params: dict[str, Any], number: int | None = None) -> bytes:
    numbered = {} if number is None else {"id": number}
    return orjson.dumps({"jsonrpc": "2.0", **numbered, "method": method, "params": params})


def _hello(number: int) -> bytes:
    told = {"protocolVersion": _PROTOCOL_VERSION, "capabilities": {}, "clientInfo": {"name": "load", "version": "1"}}
    return _message("initialize", told, number)


def _check(answer: dict[str, Any]) -> None:
    if "error" in answer or answer.get("result", {}).get("isError"):
        raise CallFailedError(str(answer)[:300])


class StreamableMcp:
    """The tools of an MCP server over streamable HTTP, in one session."""

    def __init__(self, url: str) -> None:
        self._pool = Pool(url)
        self._numbers = itertools.count(1)
        self._headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": _PROTOCOL_VERSION}

    async def end(self) -> None:
        """There is nothing to do."""

    async def begin(self) -> None:
        """Open the session."""
        status, told, body = await self._pool.post("/mcp", self._headers, _hello(0))
        if status != 200:
            raise CallFailedError(f"{status} {body[:200]!r}")
        if "mcp-session-id" in told:
            self._headers["Mcp-Session-Id"] = told["mcp-session-id"]
        await self._pool.post("/mcp", self._headers, _message("notifications/initialized", {}))

    async def call(self, tool: str, arguments: dict[str, Any]) -> None:
        """Make a call."""
        message = _message("tools/call", {"name": tool, "arguments": arguments}, next(self._numbers))
        status, told, body = await self._pool.post("/mcp", self._headers, message)
        if status != 200:
            raise CallFailedError(f"{status} {body[:200]!r}")
        if told["content-type"].startswith("text/event-stream"):
            body = body.rpartition(b"data: ")[2]
        _check(orjson.loads(body))


class StdioMcp:
    """The tools of an MCP server on standard input and output, which is started here, in this folder.

    Args:
        command: The ``zaxy`` that serves.
    """

    def __init__(self, command: str) -> None:
        self._command = command
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Start the server and open the session; note the server's process in ``server.pid``."""
        self._process = await asyncio.create_subprocess_exec(
            *(self._command, "serve", "--eventloom-path", ".eventloom"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=64 * 1024 * 1024,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )
        await asyncio.to_thread(Path("server.pid").write_text, str(self._process.pid), encoding="ascii")
        self._reading = asyncio.create_task(self._read())
        await self._ask(_hello(0), 0)
        self._send(_message("notifications/initialized", {}))

    async def call(self, tool: str, arguments: dict[str, Any]) -> None:
        """Make a call."""
        number = next(self._numbers)
        _check(await self._ask(_message("tools/call", {"name": tool, "arguments": arguments}, number), number))

    async def end(self) -> None:
        """End the server."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def _ask(self, message: bytes, number: int) -> dict[str, Any]:
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self._send(message)
        return await answer

    def _send(self, message: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(message + b"\n")

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            answer = orjson.loads(line)
            waiting = self._waiting.pop(answer.get("id", -1), None)
            if waiting is not None:
                waiting.set_result(answer)
        for left in self._waiting.values():
            left.set_exception(CallFailedError("the server ended"))
        self._waiting.clear()


PROTOCOLS: Final[dict[str, Callable[[str], Caller]]] = {"rest": Rest, "mcp": StreamableMcp, "stdio": StdioMcp}
