"""Processes for tests: forked from this warm one, so that starting one costs a millisecond."""

from __future__ import annotations

import os
import select
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

Say = Callable[[str], None]


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
    finally:
        os._exit(code)


def _say(pipe: int, text: str) -> None:
    os.write(pipe, text.encode("utf-8") + b"\n")


def run(work: Callable[[Say], None]) -> list[str]:
    """Run ``work`` in a child process to its end and return what it said."""
    code, lines = start(work).finish()
    assert code == 0, f"the child ended with {code}: {lines}"
    return lines
