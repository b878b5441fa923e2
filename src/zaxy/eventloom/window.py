"""A loom as somebody sees it who may see some of its sessions: the others are not there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from zaxy.errors import NotAuthorizedError, NotFoundError
from zaxy.eventloom.batch import Outcome
from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.folder import LogStat
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import EventRef, check_session_id

if TYPE_CHECKING:
    from zaxy.eventloom.proof.notary import Notary
    from zaxy.eventloom.proof.report import LoomReport


class LoomWindow(Eventloom):
    """Some sessions of a loom. Whether another one exists changes nothing that this tells, counts or raises.

    It opens nothing of its own: events are recorded and read through the whole loom's logs.

    Args:
        loom: The whole of it.
        sessions: What is seen; they need not exist yet.
    """

    def __init__(self, loom: Eventloom, sessions: Collection[str]) -> None:
        self.__dict__.update(vars(loom))
        self._whole = loom
        self.admitted = frozenset(sessions)

    def log(self, session_id: str) -> EventLog:
        """Return the log of a session.

        Raises:
            NotFoundError: It is not seen from here, whether or not it exists.
            InvalidInputError: The name leads out of the loom.
        """
        if session_id not in self.admitted:
            raise NotFoundError(
                f"there is no session {session_id[:80]}", remedy="see which there are: zaxy memory status"
            )
        return self._whole.log(session_id)

    def stats(self) -> dict[str, LogStat]:
        """Return what the file system says of the log of every session that is seen."""
        return {name: stat for name, stat in self._whole.stats().items() if name in self.admitted}

    def stat(self, session_id: str) -> LogStat | None:
        """Return what the file system says of one session's log, or None when it has none that is seen."""
        return self._whole.stat(session_id) if session_id in self.admitted else None

    def commit(self, session_id: str, drafts: Sequence[Draft]) -> list[Outcome]:
        """Record events in a session, as `Eventloom.commit`.

        Raises:
            NotFoundError: It is not seen from here.
        """
        self.log(check_session_id(session_id))
        return self._whole.commit(session_id, drafts)

    def read(self, ref: EventRef) -> Event | None:
        """Return one event, or None when there is no sound one, or none that is seen."""
        return self._whole.read(ref) if ref.session_id in self.admitted else None

    def read_many(self, refs: Iterable[EventRef]) -> dict[EventRef, Event]:
        """Return events as `read` does."""
        return self._whole.read_many(ref for ref in refs if ref.session_id in self.admitted)

    def notary(self) -> Notary:
        """Refuse: a checkpoint tells how many events all sessions have, and a proof names one.

        Raises:
            NotAuthorizedError: Always.
        """
        raise NotAuthorizedError(
            "a proof tells how many events the whole memory holds, and only some of its sessions are seen from here",
            remedy="ask the owner of the memory for it: zaxy log prove",
        )

    def verify(self, **_: object) -> LoomReport:
        """Refuse, as `notary`."""
        self.notary()
        raise AssertionError("notary always raises")

    def close(self) -> None:
        """Do nothing: the files are the whole loom's."""
