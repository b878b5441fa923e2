"""Callers who may touch some sessions only: each is served from a memory that holds these and nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from zaxy.errors import InvalidInputError, ZaxyError
from zaxy.fabric import MemoryFabric
from zaxy.ids import parse_citation
from zaxy.interfaces.calls.caller import Caller
from zaxy.interfaces.calls.tool import Reply

logger = logging.getLogger("zaxy.calls")

MOST_OPEN: Final = 16
"""Scopes whose stores stay open between calls."""

_NAMING: Final = frozenset(
    {
        *("citation", "session_id", "root", "by", "target", "gate", "applied", "derived", "targets", "retired"),
        *("corrects", "ended_by", "stale_because", "disputed_by"),
    }
)
"""Members of answers that name sessions and events."""

_RECORDED: Final = frozenset({"payload", "origin"})
"""Members of answers that hold what somebody recorded, whatever it names."""


class ForeignPlaceError(Exception):
    """An answer names what its caller may not know of: a defect, and nothing of the answer goes out."""


class ScopedFabric(MemoryFabric):
    """The memory of some sessions, as `Memory.within` gives it; what runs in the background is the whole memory's.

    Args:
        whole: The memory.
        sessions: What is seen of it; a write that names none means the first.
    """

    def __init__(self, whole: MemoryFabric, sessions: tuple[str, ...]) -> None:
        self._whole = whole
        self.observer = whole.observer
        self.memory = whole.memory.within(sessions)

    def noted(self, events: int) -> None:
        """Let the stores of the whole memory take in what was recorded; those of the scope do so when they are asked.

        Args:
            events: How many events that were, about.
        """
        self._whole.noted(events)

    async def close(self) -> None:
        """Release the scope's files."""
        await self._run(self.memory.settle)
        self.memory.close()


@dataclass(slots=True)
class _Open:
    fabric: ScopedFabric
    calls: int = 0


class Scopes:
    """Gives each caller the memory that is theirs. Used from one event loop.

    Args:
        whole: The memory.
        most_open: How many scopes stay open while nobody calls.
    """

    def __init__(self, whole: MemoryFabric, most_open: int = MOST_OPEN) -> None:
        self._whole = whole
        self._most_open = most_open
        self._open: OrderedDict[tuple[str, ...], _Open] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def of(self, caller: Caller) -> AsyncIterator[MemoryFabric]:
        """Yield the memory that a caller sees: all of it, or their sessions as if there were no others.

        Args:
            caller: Who asks.
        """
        if caller.sessions is None:
            yield self._whole
            return
        scope = self._open.pop(caller.sessions, None) or _Open(ScopedFabric(self._whole, caller.sessions))
        self._open[caller.sessions] = scope
        scope.calls += 1
        try:
            yield scope.fabric
        finally:
            scope.calls -= 1
            self._close_beyond(self._most_open)

    async def close(self) -> None:
        """Release the files of every scope that nobody is using."""
        self._close_beyond(0)
        while self._closing:
            await asyncio.wait(self._closing)

    def _close_beyond(self, most: int) -> None:
        """Close what was not used for longest, in the background: what it had only in memory is written first."""
        idle = [sessions for sessions, scope in self._open.items() if not scope.calls]
        for scope in [self._open.pop(sessions) for sessions in idle[: max(0, len(self._open) - most)]]:
            task = asyncio.create_task(_close(scope.fabric))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _close(fabric: ScopedFabric) -> None:
    try:
        await fabric.close()
    except ZaxyError as error:  # its stores are derived: the next one to open them makes them again
        logger.warning("the stores of a scope were not closed in order: %s", error)


def check_reply(reply: Reply, caller: Caller) -> None:
    """Make sure that an answer names nothing outside of its caller's scope.

    Raises:
        ForeignPlaceError: It does.
    """
    if caller.sessions is None:
        return
    for name, told in _named(reply.structured):
        session_id = told if name == "session_id" else _session_of(told)
        if session_id is not None and session_id not in caller.sessions:
            raise ForeignPlaceError(f"{name} of the answer names {told[:200]!r}")


def _named(value: Any, within: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text of an answer that stands where a session or an event is named, with the member's name."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name not in _RECORDED:
                yield from _named(member, name)
    elif isinstance(value, list):
        for item in value:
            yield from _named(item, within)
    elif isinstance(value, str) and within in _NAMING:
        yield within, value


def _session_of(told: str) -> str | None:
    try:
        return parse_citation(told).session_id
    except InvalidInputError:  # such as a gate's decision, or the name of a type
        return None
