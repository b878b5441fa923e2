"""Following a loom: what is recorded from now on, by whichever process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Final

from zaxy.errors import IntegrityError, NotALogError, NotFoundError, ZaxyError
from zaxy.eventloom.event import Event
from zaxy.eventloom.folder import LogStat
from zaxy.eventloom.loom import Eventloom
from zaxy.services.operations.inspection import InspectionService, LogEntry, entry_of

logger = logging.getLogger("zaxy.operations")

_SWEEP_EVERY: Final = 8
"""How many looks at the change file go to one at all logs, which also finds what left no note there."""


class LogFollower:
    """Gives each event that is recorded once, in the order of its session. Reads only.

    Args:
        loom: What is followed.
        session_id: Only this session; None for all of them, also those that begin later.
        view: Gives an event as it is meant, for its summary; None takes it as the log holds it.
    """

    def __init__(
        self, loom: Eventloom, *, session_id: str | None = None, view: Callable[[Event], Event] | None = None
    ) -> None:
        self._loom = loom
        self._session_id = session_id
        self._view = view
        self._changes = loom.changes()
        self._stats: dict[str, LogStat] = {}
        self._reached: dict[str, int] = {}
        self._damaged: set[str] = set()
        self._looks = 0

    def begin(self, limit: int) -> list[LogEntry]:
        """Return the events that were recorded last, oldest first; `more` goes on right behind them.

        Args:
            limit: How many, 1 to 10,000.

        Raises:
            NotFoundError: There is no such loom or session.
            InvalidInputError: The limit cannot be used.
        """
        self._changes.poll()  # before the logs are looked at: what comes between is told twice to us, and shown once
        for name in self._grown():
            self._reached[name] = self._end(name)
        listed = InspectionService(self._loom, self._view).recent(limit=limit, session_id=self._session_id)
        return [entry for entry in reversed(listed) if entry.seq <= self._reached.get(entry.session_id, 0)]

    def more(self) -> Iterator[LogEntry]:
        """Yield what was recorded since the last call. A log that is damaged is told of in a warning, and left.

        Raises:
            UnavailableError: The loom is gone.
        """
        told = self._changes.poll()
        names = self._grown() if told is None or self._looks % _SWEEP_EVERY == 0 else sorted(told)
        self._looks += 1
        for name in names:
            if name not in self._damaged and self._session_id in (None, name):
                yield from self._news(name)

    def _grown(self) -> list[str]:
        """Return the followed sessions whose files are not as they were at the last look at all of them."""
        stats = self._loom.stats()
        if self._session_id is not None:
            stats = {name: stat for name, stat in stats.items() if name == self._session_id}
        before, self._stats = self._stats, stats
        return sorted(name for name, stat in stats.items() if before.get(name) != stat)

    def _end(self, name: str) -> int:
        """Return the number of a session's last event, 0 where its log cannot be followed."""
        try:
            return self._loom.log(name).head().seq
        except (IntegrityError, NotALogError) as error:
            self._leave(name, error)
        return 0

    def _news(self, name: str) -> Iterator[LogEntry]:
        reached = self._reached.get(name, 0)
        try:
            for event in self._loom.log(name).replay(reached + 1):
                self._reached[name] = event.seq
                yield entry_of(event, self._view)
        except NotFoundError:  # its log was taken away between two looks
            self._reached.pop(name, None)
        except (IntegrityError, NotALogError) as error:
            self._leave(name, error)
        if self._reached.get(name, 0) == reached and (end := self._end(name)) < reached:
            logger.warning("the log of session %s was put back from event %d to event %d", name, reached, end)
            self._reached[name] = end

    def _leave(self, name: str, error: ZaxyError) -> None:
        if name not in self._damaged:
            logger.warning("session %s is not followed any more: %s", name, error.message)
        self._damaged.add(name)
