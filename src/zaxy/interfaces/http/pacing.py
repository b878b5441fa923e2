"""How many calls work at once, so that recording is never kept waiting by reading.

Reading is work for the processor, and recording waits for the disk. A few readers at a time keep two cores busy; more
of them would only take turns, and take every thread. Recording gets threads enough that those who wait for the disk
together are synced together.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from zaxy.interfaces.calls.tool import Call, Reply, Tool
from zaxy.interfaces.calls.tools import TOOLS

READERS: Final = 2
_THREADS: Final = 24
_SWITCH_SECONDS: Final = 0.001
"""How long a thread that waits for the interpreter lets another one go on."""


def paced_tools() -> tuple[Tool, ...]:
    """Return the tools; of those that only read, a few run at once and the others wait."""
    readers = asyncio.Semaphore(READERS)
    return tuple(_paced(tool, readers) if tool.reads_only else tool for tool in TOOLS)


def _paced(tool: Tool, readers: asyncio.Semaphore) -> Tool:
    async def run(call: Call) -> Reply:
        async with readers:
            return await tool.run(call)

    return replace(tool, run=run)


class _ShortTurns:
    """How often threads take turns in this process: often, as long as anybody wants that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = 0
        self._before = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if not self._wanted:
                self._before = sys.getswitchinterval()
                sys.setswitchinterval(_SWITCH_SECONDS)
            self._wanted += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._wanted -= 1
            if not self._wanted:
                sys.setswitchinterval(self._before)


_SHORT_TURNS: Final = _ShortTurns()


@contextlib.contextmanager
def widen_threads() -> Iterator[None]:
    """Give the running event loop a pool of threads, and let threads take turns often, for a ``with`` block.

    The pool stays the event loop's, which ends it when it is closed itself: others use it too.
    """
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="zaxy-call")
    asyncio.get_running_loop().set_default_executor(pool)
    with _SHORT_TURNS:
        yield
