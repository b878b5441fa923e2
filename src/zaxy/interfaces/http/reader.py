"""A reader: a process that answers reading calls for a server, over a pipe that only these two have.

The server starts it as ``python -m zaxy.interfaces.http.reader``. When the pipe closes it ends, whatever ended the
server. It imports nothing of the web or of MCP.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import signal
import socket
import struct
import sys
from functools import partial
from typing import Any, Final

from zaxy.config import Settings
from zaxy.errors import ZaxyError
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.calls.runner import CallRunner
from zaxy.memory import Memory
from zaxy.observability.logs import start_logging
from zaxy.telemetry import SILENT

logger = logging.getLogger("zaxy.calls")

READY: Final = "ready"
LONG: Final = "when_long"
ERASING: Final = "when_erasing"
"""What a reader tells of itself: that it answers, and what its server's background has to see to."""

NO_CALL: Final = 0
"""The number of messages that answer no call."""

_NICE: Final = 5
"""Where processors are scarce, recording comes before reading: who asks waits a little, who records holds others up."""

_HEAD: Final = struct.Struct("!I")
_WARMING: Final = {"query": "what is there", "limit": 1, "lanes": ["lexical", "graph"]}
"""Opens the stores and loads what answers are made with; without vectors, so that it goes to no embedding server."""


class ReadingFabric(MemoryFabric):
    """A memory that is only asked: nobody watches it, and nothing is written in the background.

    Args:
        memory: The memory.
    """

    def __init__(self, memory: Memory) -> None:
        self.observer = SILENT
        self.memory = memory

    def noted(self, events: int) -> None:
        """Do nothing: whoever has the background sees to it.

        Args:
            events: How many events there are, about.
        """

    async def close(self) -> None:
        """Release all files."""
        self.memory.close()


def frame(message: Any) -> bytes:
    """Return a message as it goes through the pipe: its length, and what `pickle` makes of it."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _HEAD.pack(len(data)) + data


async def receive(incoming: asyncio.StreamReader) -> Any:
    """Return the next message, None when the other side is gone."""
    try:
        (length,) = _HEAD.unpack(await incoming.readexactly(_HEAD.size))
        data = await incoming.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return pickle.loads(data)  # noqa: S301  # from our own process: nobody else has an end of the pipe


def raise_again(kind: type[ZaxyError], args: tuple[Any, ...], state: dict[str, Any]) -> None:
    """Raise an error that was told by its class, its arguments and its attributes."""
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(state)
    raise error


def main() -> None:
    """Answer calls until the pipe closes; its descriptor is the argument."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # what stops a service goes to all its processes; the server ends this
    os.nice(_NICE)
    pipe = socket.socket(fileno=int(sys.argv[1]))
    pipe.set_inheritable(False)
    asyncio.run(_serve(pipe))


async def _serve(pipe: socket.socket) -> None:
    incoming, outgoing = await asyncio.open_unix_connection(sock=pipe)
    settings: Settings | None = await receive(incoming)
    if settings is not None:
        start_logging(settings.telemetry)
        memory, tell = Memory(settings), partial(_tell, asyncio.get_running_loop(), outgoing)
        memory.catchup.when_long, memory.catchup.when_erasing = partial(tell, LONG), partial(tell, ERASING)
        runner = CallRunner(ReadingFabric(memory))
        tasks = {asyncio.create_task(_warm(runner, outgoing))}
        while (call := await receive(incoming)) is not None:
            task = asyncio.create_task(_answer(runner, outgoing, *call))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    os._exit(0)  # at once: a call that is under way has nobody who waits for it, and a reader has nothing to finish


def _tell(loop: asyncio.AbstractEventLoop, outgoing: asyncio.StreamWriter, what: str) -> None:
    """Tell the server something from whichever thread."""
    loop.call_soon_threadsafe(outgoing.write, frame((NO_CALL, what)))


async def _warm(runner: CallRunner, outgoing: asyncio.StreamWriter) -> None:
    try:
        await runner.run("memory_query", _WARMING)
    except ZaxyError as error:  # whoever asks is told the same
        logger.info("a reader's first question was not answered: %s", error.code)
    outgoing.write(frame((NO_CALL, READY)))


async def _answer(runner: CallRunner, outgoing: asyncio.StreamWriter, number: int, *call: Any) -> None:
    try:
        told = frame((number, await runner.run(*call)))
    except ZaxyError as error:
        told = frame((number, (type(error), error.args, vars(error))))
    except Exception:  # what cannot be told through the pipe, the server answers by itself
        logger.exception("an answer could not be sent")
        told = frame((number, None))
    outgoing.write(told)


if __name__ == "__main__":
    main()
