"""Reading a loom as projections need it: what changed, what follows a position, what an event means."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from zaxy.errors import IntegrityError, NotALogError, ZaxyError
from zaxy.eventloom.continuation import Located, read_after
from zaxy.eventloom.event import Event
from zaxy.eventloom.folder import LogStat
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import EventRef
from zaxy.projections.protocols import Position
from zaxy.telemetry import Degraded, Reason
from zaxy.vocabulary.model import Meaning
from zaxy.vocabulary.payloads import CIPHER_KEY

logger = logging.getLogger("zaxy.projections")

MeaningOf = Callable[[Event], Meaning]
"""Gives what projections are fed with for an event as the log holds it; ``EventReader.meaning`` is one."""

_SWEEP_SHARE: Final = 50.0
_SWEEP_SECONDS: Final = 2.0


class Follower:
    """Follows the logs of a loom. Its owner serializes the calls.

    Args:
        loom: The log.
        meaning: What an event means.
        damage: Which logs are damaged, by session; followers of one process share it, so that the last look counts.
    """

    def __init__(self, loom: Eventloom, meaning: MeaningOf, damage: dict[str, str]) -> None:
        self.loom = loom
        self._meaning = meaning
        self._changes = loom.changes()
        self._next_sweep = 0.0
        self._damage = damage
        self._notices: list[str] = []

    def changed(self) -> tuple[dict[str, LogStat], bool]:
        """Return the logs that may have grown since the last call, and whether these are all logs there are.

        The change file names them; where it cannot (first call, another program that writes, a restored copy) a sweep
        over all logs does, at most every two seconds and for at most a fiftieth of the time.
        """
        names = self._changes.poll()
        now = time.monotonic()
        if names is None or now >= self._next_sweep:
            stats = self.loom.stats()
            self._next_sweep = now + max(_SWEEP_SECONDS, _SWEEP_SHARE * (time.monotonic() - now))
            return stats, True
        found = {name: self.loom.stat(name) for name in names}
        return {name: stat for name, stat in found.items() if stat is not None}, False

    def sweep_next(self) -> None:
        """Make the next `changed` look at every log."""
        self._next_sweep = 0.0

    def after(self, session_id: str, positions: Sequence[Position | None]) -> Iterator[Located]:
        """Yield the events behind the least of these positions; a damaged log ends early and is noted.

        Raises:
            DivergedError: The log does not hold the event at that position any more.
        """
        self._damage.pop(session_id, None)
        start = min((position for position in positions if position), key=lambda position: position.seq, default=None)
        if start is None or None in positions:
            start = Position(0, "", 0)
        reader = self.loom.log(session_id).reader
        try:
            digest = start.hash.removeprefix("sha256:")
            yield from read_after(reader, session_id, start.seq, digest, (start.inode, start.offset))
        except (NotALogError, IntegrityError, OSError) as error:
            message = error.message if isinstance(error, ZaxyError) else f"session {session_id}: {error}"
            self._damage[session_id] = Degraded(f"{message}; what follows is not searched", Reason.LOG_DAMAGED)

    def meaning(self, event: Event) -> Meaning:
        """Return an event with what it means."""
        return self._meaning(event)

    def resolve(self, ref: EventRef) -> Meaning | None:
        """Return the meaning of one event of the log, or None when the log holds no sound event there."""
        event = self.loom.read(ref)
        return None if event is None else self.meaning(event)

    def sealed(self, refs: Collection[EventRef]) -> set[EventRef]:
        """Return those of these events whose own payload is sealed in the log: only they have a key to be destroyed."""
        held = ((ref, self.loom.read(ref)) for ref in refs)
        return {ref for ref, event in held if event is not None and CIPHER_KEY in event.payload}

    def notice(self, text: str) -> None:
        """Note something that callers should be told once."""
        if text not in self._notices:
            self._notices.append(text)
            logger.warning(text)

    def notices(self) -> list[str]:
        """Return what was noted since the last call."""
        told, self._notices = self._notices, []
        return told

    def warnings(self) -> list[str]:
        """Return which logs are damaged, and the notices, which are given once."""
        return sorted(self._damage.values()) + self.notices()


def place(located: Located, stat: LogStat) -> Position:
    """Return the position behind an event; it counts as the end of the file only if that is where it is."""
    event, whole = located.event, located.end == stat.size and located.inode == stat.inode
    size, modified = (stat.size, stat.modified) if whole else (0, 0)
    return Position(event.seq, event.hash, located.end, located.first_seq, located.inode, size, modified)


def is_at(position: Position | None, stat: LogStat) -> bool:
    """Return whether a projection at this position has read the whole of an unchanged log."""
    return (
        position is not None and bool(stat.inode) and LogStat(position.inode, position.size, position.modified) == stat
    )


def bytes_behind(positions: Collection[Position | None], stat: LogStat) -> int:
    """Return how many bytes of a session's active file the least of these positions lacks, at most."""
    reached = (
        position.offset if position is not None and position.inode == stat.inode else 0 for position in positions
    )
    return max((stat.size - offset for offset in reached), default=0)
