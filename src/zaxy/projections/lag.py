"""How far the stores are behind the log."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from zaxy.errors import IntegrityError, NotALogError
from zaxy.eventloom.folder import LogStat
from zaxy.eventloom.loom import Eventloom
from zaxy.projections.following import bytes_behind, is_at
from zaxy.projections.protocols import Position


@dataclass(frozen=True, slots=True)
class Lag:
    """How far one projection is behind the log.

    Attributes:
        events: How many events of the log the durable store has not taken in.
        bytes: How many bytes of log that is.
        sessions: In how many sessions.
    """

    events: int = 0
    bytes: int = 0
    sessions: int = 0


class Lags:
    """Measures lags. What did not change since the last look is not read again.

    Args:
        loom: The log.
    """

    def __init__(self, loom: Eventloom) -> None:
        self._loom = loom
        self._ends: dict[str, tuple[LogStat, int]] = {}

    def of(self, reached: Mapping[str, Position], stats: Mapping[str, LogStat]) -> Lag:
        """Return how far a store is behind.

        Args:
            reached: Its cursor.
            stats: What the file system says of every session's log.
        """
        events = behind = sessions = 0
        for session_id, stat in stats.items():
            position = reached.get(session_id)
            if is_at(position, stat):
                continue
            with contextlib.suppress(IntegrityError, NotALogError, OSError):  # damage is told by the log's own status
                missing = self._end_of(session_id, stat) - (position.seq if position else 0)
                if missing > 0:
                    events, sessions = events + missing, sessions + 1
                    behind += max(0, bytes_behind([position], stat))
        return Lag(events, behind, sessions)

    def _end_of(self, session_id: str, stat: LogStat) -> int:
        """Return the number of a log's last event."""
        known = self._ends.get(session_id)
        if known is None or known[0] != stat or not stat.inode:
            known = self._ends[session_id] = stat, self._loom.log(session_id).head().seq
        return known[1]
