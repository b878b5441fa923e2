"""Starting the processes that work beside a server's own, and letting one of them write the stores."""

from __future__ import annotations

import contextlib
import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, Any, Final

from zaxy.config import Settings
from zaxy.fabric import MemoryFabric
from zaxy.interfaces.http.reader import raise_again
from zaxy.interfaces.http.settler import BEGUN, DONE, FAILED, TAKEN
from zaxy.projections.background import LostProcessError
from zaxy.serving_settings import ServingSettings
from zaxy.telemetry import Operation

_PROGRAM: Final = "zaxy.interfaces.http.settler"


def program(module: str) -> list[str]:
    """Return the command that runs a module of ours. Modules beside the user's files are never imported in it."""
    return [sys.executable, "-I" if sys.flags.isolated else "-P", "-m", module]


def without_secrets(settings: Settings) -> Settings:
    """Return settings without the secrets of a server, which the processes beside it do not need."""
    return replace(settings, admin_token=None, serving=ServingSettings())


class Settling:
    """Lets a process write the stores, and measures what it tells of that.

    So appends and answers do not wait for the interpreter meanwhile, nor for a processor where there are few.

    Args:
        fabric: The memory, which is told what callers should know, and whose observer measures.
        settings: Where everything is.
    """

    def __init__(self, fabric: MemoryFabric, settings: Settings) -> None:
        self._catchup = fabric.memory.catchup
        self._observer = fabric.observer
        self._settings = pickle.dumps(without_secrets(settings), pickle.HIGHEST_PROTOCOL)

    def __call__(self) -> bool:
        """Write the stores. As `Catchup.catch_up`.

        Returns:
            False when another process is doing that right now.

        Raises:
            LostProcessError: The process could not be started, or ended before it was done.
            ProjectionError: A store could not be written.
        """
        ours, theirs = socket.socketpair()
        with ours, theirs:
            try:
                process = subprocess.Popen(  # noqa: S603  # our own interpreter and module, and no word of a user
                    [*program(_PROGRAM), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    process_group=0,  # Ctrl-C in the terminal is for the server alone
                )
            except OSError as error:
                raise LostProcessError(f"no process could be started: {error.strerror}") from error
            theirs.close()
            with process, ours.makefile("rb") as told:
                with contextlib.suppress(ConnectionError):  # what it tells says that it ended
                    ours.sendall(self._settings)
                return self._listen(told)

    def _listen(self, out: IO[bytes]) -> bool:
        with contextlib.ExitStack() as stack:
            for kind, *told in _messages(out):
                if kind == BEGUN:
                    measured = stack.enter_context(self._observer.measure(Operation.PROJECTION, *told))
                elif kind == TAKEN:
                    measured.tell("events", *told)
                    stack.close()
                elif kind == FAILED:
                    raise_again(*told)
                elif kind == DONE:
                    is_done, warnings = told
                    self._catchup.notice(warnings)
                    return bool(is_done)
        raise LostProcessError("the process that writes the projections ended before it was done")


def _messages(out: IO[bytes]) -> Iterator[tuple[Any, ...]]:
    while True:
        try:
            yield pickle.load(out)  # noqa: S301  # from our own process: nobody else has an end of the pipe
        except (EOFError, ConnectionError, pickle.UnpicklingError):
            return
