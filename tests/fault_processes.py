"""Processes for tests: forked from this warm one, so that starting one costs a millisecond."""

from __future__ import annotations

import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

Say = Callable[[str], None]

_write = os.write  # a test may put something else in its place


@dataclass(slots=True)
class Child:
    """A running process, and what it said so far."""

    pid: int
    pipe: int
    heard: bytearray = field(default_factory=bytearray)

    def listen(self, seconds: float) -> None:
        """Take in what the process says for this long."""
        end = time.monotonic() + seconds
        ready = select.poll()
        ready.register(self.pipe, select.POLLIN)
        while (left := end - time.monotonic()) > 0:
            if ready.poll(left * 1_000):
                part = os.read(self.pipe, 65_536)
                if not part:
                    return
                self.heard += part

    def let_live(self, seconds: float) -> None:
        """Leave the process alone for this long. Who listens wakes up, and then acts, just when it said something."""
        select.select([], [], [], seconds)

    def hear(self, text: str) -> None:
        """Take in what the process says until it has said a line."""
        line = text.encode("utf-8") + b"\n"
        while line not in self.heard:
            part = os.read(self.pipe, 65_536)
            assert part, f"the child ended without saying {text!r}: {bytes(self.heard)!r}"
            self.heard += part

    def kill(self) -> list[str]:
        """Kill the process and return the whole lines that it said."""
        os.kill(self.pid, signal.SIGKILL)
        return self.finish()[1]

    def finish(self) -> tuple[int, list[str]]:
        """Wait for the end; return the exit code (minus the signal) and the whole lines that were said."""
        while part := os.read(self.pipe, 65_536):
            self.heard += part
        os.close(self.pipe)
        _, status = os.waitpid(self.pid, 0)
        lines = bytes(self.heard).decode("utf-8").split("\n")[:-1]
        return os.waitstatus_to_exitcode(status), lines


def start(work: Callable[[Say], None]) -> Child:
    """Run ``work`` in a child process; what it says is one line each."""
    sys.stdout.flush()  # what waits there would be printed by the child too
    sys.stderr.flush()
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write_end)
        return Child(pid, read_end)
    code = 1
    try:
        os.close(read_end)
        work(lambda text: _say(write_end, text))
        code = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _say(pipe: int, text: str) -> None:
    _write(pipe, text.encode("utf-8") + b"\n")


def run(work: Callable[[Say], None]) -> list[str]:
    """Run ``work`` in a child process to its end and return what it said."""
    code, lines = start(work).finish()
    assert code == 0, f"the child ended with {code}: {lines}"
    return lines


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder in memory where there is one: to a process that is killed a page in memory is as good as one on disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)
