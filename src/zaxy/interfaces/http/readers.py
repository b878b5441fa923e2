"""Processes that answer reading calls beside the server's own, because one interpreter runs on one processor at a time.

A reader holds nothing that is not in the loom, so that it can be lost at any moment. What it cannot answer, the
server's own process does.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

from zaxy.config import Settings
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.calls.tool import Call, Reply, Tool
from zaxy.interfaces.http.pacing import READERS as CALLS_AT_ONCE
from zaxy.interfaces.http.reader import NO_CALL, READY, ReadingFabric, frame, raise_again, receive
from zaxy.interfaces.http.settling import program, without_secrets
from zaxy.projections.catchup import TAIL_BYTES
from zaxy.telemetry import Counted, Measured, Observer, Operation, Reason, answered

logger = logging.getLogger("zaxy.calls")

_MEASURED_AS: Final = {
    "memory_query": Operation.QUERY,
    "memory_verbatim": Operation.QUERY,
    "memory_checkout": Operation.CHECKOUT,
}
"""The calls that readers answer, those that cost most, and what they are measured as."""

_PROGRAM: Final = "zaxy.interfaces.http.reader"
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 60.0


def reader_count(wanted: int | None) -> int:
    """Return how many readers a server has: as wanted, else two where there is more than one processor.

    Args:
        wanted: The setting.
    """
    if wanted is not None:
        return wanted
    processors = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return 2 if processors > 1 else 0


class Readers:
    """Starts readers, starts those again that end, and lets them answer. Used from one event loop, as a context.

    Args:
        fabric: The memory of this process, which answers what readers do not.
        settings: Where everything is, and how many readers there are.
    """

    def __init__(self, fabric: MemoryFabric, settings: Settings) -> None:
        needed = without_secrets(settings)
        self._readers = [_Reader(fabric, needed) for _ in range(settings.serving.readers or 0)]
        self._keeping: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Readers:
        self._keeping = [asyncio.create_task(reader.keep()) for reader in self._readers]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)

    def answering(self, tool: Tool) -> Tool:
        """Return a tool that readers answer, if they are to, and its own process what they cannot.

        Args:
            tool: As its own process runs it.
        """
        operation = _MEASURED_AS.get(tool.name)
        if operation is None or not self._readers:
            return tool
        return replace(tool, run=lambda call: self._run(tool, operation, call))

    async def _run(self, tool: Tool, operation: Operation, call: Call) -> Reply:
        ready = [reader for reader in self._readers if reader.ready.is_set()]
        if not ready or call.caller.sessions is not None:  # the memory of some sessions is open in this process
            return await tool.run(call)
        async with min(ready, key=lambda reader: reader.calls).turn() as reader:
            observer = call.fabric.observer
            with observer.measure(operation) as measured:
                measured.quote("query", call.arguments["query"])
                reply = await reader.ask(tool.name, call)
                if reply is None:
                    unwatched = ReadingFabric(call.fabric.memory)  # it is measured here
                    reply = await tool.run(replace(call, fabric=unwatched))
                _tell(observer, measured, reply.structured)
                return reply


def _tell(observer: Observer, measured: Measured, told: dict[str, Any]) -> None:
    """Tell of an answer or a packet what the memory tells of it where it is made."""
    measured.tell("hits", len(told["hits"] if "hits" in told else told["evidence"]))
    answered(observer, measured, told.get("quality", told)["lanes"], told["degradations"])


class _Reader:
    """One reader, however often its process ends."""

    def __init__(self, fabric: MemoryFabric, settings: Settings) -> None:
        self._catchup = fabric.memory.catchup
        self._observer = fabric.observer
        self._settings = settings
        self._turns = asyncio.Semaphore(CALLS_AT_ONCE)  # as the server's own process has
        self._numbers = itertools.count(NO_CALL + 1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._outgoing: asyncio.StreamWriter | None = None
        self.ready = asyncio.Event()
        """Set while it answers calls."""
        self.calls = 0
        """How many calls it has, those that wait for their turn included."""

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[_Reader]:
        """Wait until it is free for a call."""
        self.calls += 1
        try:
            async with self._turns:
                yield self
        finally:
            self.calls -= 1

    async def ask(self, name: str, call: Call) -> Reply | None:
        """Return its answer to a call, None when it ended before it gave one.

        Raises:
            ZaxyError: As the call does.
        """
        if self._outgoing is None or not self.ready.is_set():
            return None
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._outgoing.write(frame((number, name, call.arguments, call.caller)))
            told = await answer
        finally:
            del self._waiting[number]
        if isinstance(told, tuple):
            raise_again(*told)
        return None if told is None else told

    async def keep(self) -> None:
        """Keep a process running until this is cancelled; one that ends early is waited for ever longer."""
        loop, pause = asyncio.get_running_loop(), _FIRST_PAUSE_SECONDS
        while True:
            began, why = loop.time(), "its process is gone"
            try:
                await self._stores_are_filled()
                await self._live()
            except Exception as error:  # whatever is wrong with readers: calls do not depend on them
                why = type(error).__name__
            if loop.time() - began > _LONGEST_PAUSE_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            self._observer.count(Counted.DEGRADED, Reason.READER_LOST)
            logger.warning("a reader ended (%s); the server answers until it runs again, in %.1f s", why, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _stores_are_filled(self) -> None:
        """Wait until the stores hold the log but for a short tail: a reader would have to read all the rest itself."""
        pause = _FIRST_PAUSE_SECONDS
        while await asyncio.to_thread(self._is_far_behind):
            self._catchup.when_long()
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _is_far_behind(self) -> bool:
        return any(lag.bytes > TAIL_BYTES for lag in self._catchup.lag().values())

    async def _live(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            process = _start(theirs)
            theirs.close()
            try:
                await self._listen(ours)
            finally:
                self.ready.clear()
                for answer in self._waiting.values():
                    if not answer.done():
                        answer.set_result(None)
                process.kill()  # it has nothing to finish
                await asyncio.to_thread(process.wait)

    async def _listen(self, ours: socket.socket) -> None:
        incoming, outgoing = await asyncio.open_unix_connection(sock=ours)
        self._outgoing = outgoing
        try:
            outgoing.write(frame(self._settings))
            while (message := await receive(incoming)) is not None:
                number, told = message
                if number in self._waiting and not self._waiting[number].done():
                    self._waiting[number].set_result(told)
                elif number == NO_CALL and told == READY:
                    self.ready.set()
                elif number == NO_CALL:
                    getattr(self._catchup, told)()
        finally:
            outgoing.close()


def _start(pipe: socket.socket) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  # our own interpreter and module, and no word of a user
        [*program(_PROGRAM), str(pipe.fileno())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[pipe.fileno()],
        process_group=0,  # Ctrl-C in the terminal is for the server alone
    )
