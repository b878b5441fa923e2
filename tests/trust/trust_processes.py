"""Work in a process of its own, with limits on what it may take: a bound on time and memory that holds or kills."""

from __future__ import annotations

import json
import os
import resource
import signal
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Ended:
    """How such a process ended.

    Attributes:
        answer: What the work returned; None when it did not come to an end.
        error: The exception that it ended with, empty when there was none.
        killed_by: The signal that ended it (``SIGXCPU``: over its time, ``SIGALRM``: it hung), empty when none did.
        cpu_seconds: How much time it took.
    """

    answer: Any
    error: str
    killed_by: str
    cpu_seconds: float

    @property
    def failure(self) -> str:
        """What kept it from returning an answer, empty when nothing did."""
        return self.killed_by or self.error


def run_limited(
    work: Callable[[], Any], *, memory_bytes: int | None = None, cpu_seconds: int = 60, wall_seconds: int = 120
) -> Ended:
    """Run ``work`` in a child process and return how it ended.

    Args:
        work: Returns what JSON can hold.
        memory_bytes: How much address space it may take beyond what this process has; None for no limit.
        cpu_seconds: How much time on a core it may take.
        wall_seconds: How long it may wait for something that never comes.
    """
    read_end, write_end = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # later Pythons warn of threads; the child starts none
        pid = os.fork()
    if pid == 0:
        os.close(read_end)
        _work(work, write_end, memory_bytes, (cpu_seconds, wall_seconds))
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        told = pipe.read()
    _, status, usage = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    killed_by = signal.Signals(-code).name if code < 0 else ""
    answer, error = json.loads(told) if told and not killed_by else (None, "")
    return Ended(answer, error, killed_by, usage.ru_utime + usage.ru_stime)


def _work(work: Callable[[], Any], pipe: int, memory_bytes: int | None, seconds: tuple[int, int]) -> None:
    cpu_seconds, wall_seconds = seconds
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
        signal.alarm(wall_seconds)
        if memory_bytes is not None:
            limit = _address_space() + memory_bytes
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        told: tuple[Any, str] = (work(), "")
    except BaseException as error:  # everything that ends the work is what the parent wants to know
        place = traceback.extract_tb(error.__traceback__)[-1]
        told = (None, f"{type(error).__name__}: {error} ({os.path.basename(place.filename)}:{place.lineno})"[:600])
    try:
        with os.fdopen(pipe, "wb") as stream:
            stream.write(json.dumps(told).encode())
    finally:  # whatever happens, this copy of the test run must not go on
        os._exit(0)


def _address_space() -> int:
    with open("/proc/self/statm", "rb") as stream:
        return int(stream.read().split()[0]) * resource.getpagesize()
