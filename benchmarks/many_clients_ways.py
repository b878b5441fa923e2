"""Ways to one memory: servers of both kinds, commands, and the short programs that hooks start."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from benchmarks.serving import environment, served
from zaxy.client import Access, AsyncClient

_LOOM: Final = ("--eventloom-path", ".eventloom")
_EVENT_TYPE: Final = "note.made"
_ANSWER_SECONDS: Final = 60.0
_NOTED: Final = 'echo $$ > stdio.pid; exec "$0" -m zaxy serve --eventloom-path .eventloom'
"""The shell's process becomes the server's."""

_HOOK: Final = """
import asyncio, json, sys
from zaxy import MemoryFabric

async def main():
    event_type, actor, payload, session_id, key = json.loads(sys.argv[1])
    async with MemoryFabric(".eventloom") as memory:
        event = await memory.append(event_type, actor, payload, session_id=session_id, key=key)
    print(json.dumps({"citation": event.citation}))

asyncio.run(main())
"""


class WrongAnswerError(Exception):
    """Raised when a way answers with an error, or with something else than it should."""


@dataclass(frozen=True, slots=True)
class Note:
    """What is recorded: something with a word that stands nowhere else, and a key of its own."""

    word: str
    session_id: str
    actor: str

    @property
    def key(self) -> str:
        """Its idempotency key."""
        return f"crowd:{self.word}"

    @property
    def payload(self) -> dict[str, Any]:
        """Its payload."""
        return {"content": f"{self.word} was met"}


class Caller(Protocol):
    """Makes calls of the memory."""

    async def append(self, note: Note) -> str:
        """Record a note; return its citation."""
        ...

    async def find(self, words: Sequence[str]) -> set[str]:
        """Return the citations of what a question with these words finds."""
        ...


class Way(Protocol):
    """One way to the memory."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def joined(self) -> contextlib.AbstractAsyncContextManager[Caller]:
        """Give who writes or reads what they make their calls with, for an ``async with`` block."""
        ...


def _cited(answer: Any) -> set[str]:
    if answer["warnings"]:
        raise WrongAnswerError(f"warnings: {answer['warnings']}")
    return {hit["citation"] for hit in answer["hits"]}


class Tools:
    """The tools of an MCP server, by the SDK's own client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def append(self, note: Note) -> str:
        """Record a note; return its citation."""
        told = {"event_type": _EVENT_TYPE, "actor": note.actor, "payload": note.payload, "key": note.key}
        return str((await self._call("memory_append", {**told, "session_id": note.session_id}))["citation"])

    async def find(self, words: Sequence[str]) -> set[str]:
        """Return the citations of what a question with these words finds."""
        return _cited(await self._call("memory_query", {"query": " ".join(words), "limit": 2 * len(words)}))

    async def _call(self, tool: str, arguments: dict[str, Any]) -> Any:
        result = await self._client.call_tool(tool, arguments)
        if result.is_error:
            raise WrongAnswerError(str(result.content)[:300])
        return result.structured_content


class Rest:
    """The calls of an HTTP server, by our own client. No call is made twice: a failure is to be seen."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def append(self, note: Note) -> str:
        """Record a note; return its citation."""
        told = await self._client.append(
            _EVENT_TYPE, note.actor, note.payload, session_id=note.session_id, key=note.key
        )
        return str(told["citation"])

    async def find(self, words: Sequence[str]) -> set[str]:
        """Return the citations of what a question with these words finds."""
        return _cited(await self._client.query(" ".join(words), limit=2 * len(words)))


class Commands:
    """A process for each call: the command line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def append(self, note: Note) -> str:
        """Record a note; return its citation."""
        words = ("--actor", note.actor, "--key", note.key, "--session-id", note.session_id, *_LOOM, "--json")
        told = await self.run("-m", "zaxy", "append", _EVENT_TYPE, "--payload", json.dumps(note.payload), *words)
        return str(told["citation"])

    async def find(self, words: Sequence[str]) -> set[str]:
        """Return the citations of what a question with these words finds."""
        limit = str(2 * len(words))
        return _cited(await self.run("-m", "zaxy", "query", " ".join(words), "--limit", limit, *_LOOM, "--json"))

    async def run(self, *words: str) -> Any:
        """Run a program of Python to its end and return what it says.

        Raises:
            WrongAnswerError: It failed, or had something to complain about.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *words),
            cwd=self._folder,
            env=environment(self._folder),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complaint = await process.communicate()
        if process.returncode or complaint:
            raise WrongAnswerError(f"exit code {process.returncode}: {complaint.decode(errors='replace')[-300:]}")
        return json.loads(said)


class Hooks(Commands):
    """A program for each note that hands it in and ends, started twice at the same time: hooks are tried again."""

    async def append(self, note: Note) -> str:
        """Record a note, twice over; return its citation."""
        told = json.dumps([_EVENT_TYPE, note.actor, note.payload, note.session_id, note.key])
        one, other = await asyncio.gather(self.run("-c", _HOOK, told), self.run("-c", _HOOK, told))
        if one != other:
            raise WrongAnswerError(f"{note.key} is {one} and {other}")
        return str(one["citation"])


@dataclass(frozen=True, slots=True)
class Shared:
    """A way that all go together."""

    name: str
    caller: Caller

    @contextlib.asynccontextmanager
    async def joined(self) -> AsyncIterator[Caller]:
        """Give who writes or reads what they make their calls with."""
        yield self.caller


@dataclass(frozen=True, slots=True)
class Streamed:
    """MCP over HTTP, a client for each who goes this way: when its server is gone, it takes its user with it."""

    name: str
    url: str

    @contextlib.asynccontextmanager
    async def joined(self) -> AsyncIterator[Caller]:
        """Give who writes or reads what they make their calls with."""
        async with Client(streamable_http_client(self.url), read_timeout_seconds=_ANSWER_SECONDS) as client:
            yield Tools(client)


@dataclass(frozen=True, slots=True)
class Ways:
    """All ways to the memory of a folder; ``server.pid`` and ``stdio.pid`` there name the processes of the servers."""

    stdio: Way
    rest: Way
    mcp: Way
    command: Way
    hook: Way

    def writers(self) -> tuple[Way, ...]:
        """Return eight, all ways among them."""
        return self.stdio, self.stdio, self.rest, self.mcp, self.command, self.command, self.hook, self.hook

    def readers(self) -> tuple[Way, ...]:
        """Return eight, all ways among them."""
        return self.stdio, self.stdio, self.rest, self.rest, self.mcp, self.mcp, self.command, self.command


@contextlib.asynccontextmanager
async def open_ways(folder: Path) -> AsyncIterator[Ways]:
    """Serve the memory of a folder on standard input and output and on the network, for an ``async with`` block.

    What the servers complain of is in ``stdio.log`` and ``server.log`` there.
    """
    parameters = StdioServerParameters(
        command="sh", args=["-c", _NOTED, sys.executable], cwd=folder, env=environment(folder)
    )
    log = os.open(folder / "stdio.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    async with contextlib.AsyncExitStack() as stack:
        errors = stack.enter_context(os.fdopen(log, "w", encoding="utf-8"))
        server = stack.enter_context(served((sys.executable, "-m", "zaxy"), folder))
        told = stdio_client(parameters, errlog=errors)
        stdio = await stack.enter_async_context(Client(told, read_timeout_seconds=_ANSWER_SECONDS))
        rest = await stack.enter_async_context(AsyncClient(server.url, Access(attempts=1)))
        yield Ways(
            Shared("stdio", Tools(stdio)),
            Shared("rest", Rest(rest)),
            Streamed("mcp", f"{server.url}/mcp"),
            Shared("command", Commands(folder)),
            Shared("hook", Hooks(folder)),
        )
