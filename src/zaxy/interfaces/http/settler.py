"""A settler: a process that takes the log into the stores for a server, tells how it went, and ends.

The server starts it as ``python -m zaxy.interfaces.http.settler``, with a pipe that it sends its settings by. It has
the least claim to a processor of all, and takes its memory with it when it ends. Killed at any moment it leaves what
any killed writer leaves. It imports nothing of the web or of MCP.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Final

from zaxy.errors import ZaxyError
from zaxy.memory import Memory
from zaxy.telemetry import Counted, Operation, Reading

BEGUN: Final = "begun"
TAKEN: Final = "taken"
DONE: Final = "done"
FAILED: Final = "failed"
"""What it tells: a store begins to take events in; it took so many; all of it is done, or another process is at it, and
what callers should know; or an error."""

_NICE: Final = 15


def main() -> None:
    """Do it, and tell of it through the pipe, whose descriptor is the argument."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # what stops a service goes to all its processes; the server waits for it
    os.nice(_NICE)
    with socket.socket(fileno=int(sys.argv[1])) as pipe, pipe.makefile("rb") as told:
        pipe.set_inheritable(False)
        settings = pickle.load(told)  # noqa: S301  # from our own process: nobody else has an end of the pipe
        with Memory(settings, observer=_Telling(pipe)) as memory:
            try:
                is_done = memory.catchup.catch_up()
                _tell(pipe, DONE, is_done, memory.catchup.warnings())
            except ZaxyError as error:
                _tell(pipe, FAILED, type(error), error.args, vars(error))


def _tell(pipe: socket.socket, *message: Any) -> None:
    pipe.sendall(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))


class _Telling:
    """An observer that tells the server what each store takes in, so that it can be measured there."""

    def __init__(self, pipe: socket.socket) -> None:
        self._pipe = pipe

    def measure(self, operation: Operation, name: str = "", parent: str = "") -> _Telling:  # noqa: ARG002 -- the port
        """Tell that a store begins; nothing else is measured here."""
        if operation is Operation.PROJECTION:
            _tell(self._pipe, BEGUN, name)
        return self

    def __enter__(self) -> _Telling:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def tell(self, name: str, value: str | float | bool) -> None:
        """Tell that it took in so many events."""
        if name == "events":
            _tell(self._pipe, TAKEN, value)

    def quote(self, name: str, text: str) -> None:
        """Drop it."""

    def count(self, what: Counted, outcome: str) -> None:
        """Drop it: the server counts what it is told."""

    def watch(self, read: Callable[[], Iterable[Reading]]) -> None:
        """Read nothing off."""


if __name__ == "__main__":
    main()
