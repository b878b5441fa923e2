"""One projection as a process uses it: the durable store as it was last committed, and the tail of the log in memory.

Only one process at a time writes the durable store; every process reads it, and adds what it lacks from the log.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Generic, Protocol, TypeVar

from zaxy.errors import BusyError, ProjectionError
from zaxy.ids import EventRef
from zaxy.projections.protocols import Position, Projection
from zaxy.telemetry import Degraded, Reason
from zaxy.vocabulary.model import Meaning

logger = logging.getLogger("zaxy.projections")

Resolve = Callable[[EventRef], Meaning | None]
_READ_ATTEMPTS: Final = 4
LONG_WAIT_SECONDS: Final = 1.0
_REST_SECONDS: Final = 5.0


class PatientLock:
    """A lock between threads that one thread may take several times, and that is not waited for without end.

    Whoever holds it may read from a disk that hangs; the others are told so instead of hanging too.

    Args:
        longest_wait_seconds: How long it is waited for.
    """

    def __init__(self, longest_wait_seconds: float = 30.0) -> None:
        self.longest_wait_seconds = longest_wait_seconds
        self._lock = threading.RLock()

    def __enter__(self) -> bool:
        if not self._lock.acquire(timeout=self.longest_wait_seconds):
            raise BusyError(
                f"another question has held the projections for more than {self.longest_wait_seconds:g} seconds",
                remedy="try again; if it stays so, see whether the disk answers",
            )
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()


class DurableStore(Projection, Protocol):
    """A projection on disk, as opened by one process."""

    def refresh(self) -> bool:
        """Take in what was committed since; return whether there was something."""
        ...


DurableT = TypeVar("DurableT", bound=DurableStore)
MemoryT = TypeVar("MemoryT", bound=Projection)
ViewT_co = TypeVar("ViewT_co", covariant=True)
AnswerT = TypeVar("AnswerT")


class Backend(Protocol[DurableT, MemoryT, ViewT_co]):
    """How one kind of projection is opened, and how its two layers are read as one."""

    @property
    def name(self) -> str:
        """How status and warnings name the projection."""
        ...

    @property
    def path(self) -> Path:
        """Its file or folder."""
        ...

    def exists(self) -> bool:
        """Return whether there is a store of ours on disk."""
        ...

    def open(self, resolve: Resolve | None) -> DurableT:
        """Open the store: for writing when ``resolve`` is given (making it when missing), else for reading.

        Raises:
            ProjectionError: It is missing, foreign or corrupt.
        """
        ...

    def memory(self) -> MemoryT:
        """Return an empty store in memory."""
        ...

    def layered(self, base: DurableT | None, tail: MemoryT) -> ViewT_co:
        """Return both layers as one reader."""
        ...

    def set_aside(self) -> Path | None:
        """Move an unusable store out of the way; return where it went."""
        ...

    def remove_copies(self) -> bool:
        """Remove what is left of earlier stores: set aside, half removed, spilled. The caller is the one writer.

        Returns:
            Whether there was anything.

        Raises:
            ProjectionError: Something could not be removed.
        """
        ...


class Tier(Generic[DurableT, MemoryT, ViewT_co]):
    """The two layers of one projection. The owner serializes all calls.

    Args:
        backend: What kind of projection it is.
    """

    def __init__(self, backend: Backend[DurableT, MemoryT, ViewT_co]) -> None:
        self.backend = backend
        self.warnings: list[str] = []
        self._given_up = False
        self.went_back = False
        """Whether the durable layer lost something since this was last set to False."""
        self.read_again: Callable[[], None] = lambda: None
        """Called when that happens in the middle of an answer: reads what was lost from the log into the tail."""
        self._base: DurableT | None = None
        self._tail: MemoryT = backend.memory()
        self._meanings: dict[str, list[Meaning]] = {}
        self._committed: Mapping[str, Position] = {}
        self._reached: dict[str, Position] = {}
        self._rests_until = 0.0

    @property
    def name(self) -> str:
        """How status and warnings name the projection."""
        return self.backend.name

    @property
    def lock(self) -> Path:
        """The side file that the one writing process holds."""
        return self.backend.path.with_name(f"{self.backend.path.name}.catch-up.lock")

    @property
    def mark(self) -> Path:
        """The side file that is there while the store's files may hold more than its cursor tells."""
        return self.backend.path.with_name(f"{self.backend.path.name}.unclean")

    def position(self, session_id: str) -> Position | None:
        """Return how far the two layers together got in a session."""
        return self._reached.get(session_id) or self._committed.get(session_id)

    def sessions(self) -> set[str]:
        """Return the sessions that either layer holds."""
        return set(self._committed) | set(self._reached)

    def committed(self) -> Mapping[str, Position]:
        """Return the cursor of the durable layer as this process last saw it."""
        return self._committed

    def in_tail(self, ref: EventRef) -> bool:
        """Return whether an event is in the tail layer, not in the durable one."""
        return ref.session_id in self._meanings and self._meanings[ref.session_id][0].event.seq <= ref.seq

    def tail(self) -> list[Meaning]:
        """Return what the tail layer holds."""
        return [meaning for meanings in self._meanings.values() for meaning in meanings]

    def tail_events(self) -> int:
        """Return how many events are in the tail layer."""
        return sum(len(meanings) for meanings in self._meanings.values())

    def refresh(self) -> bool:
        """See what was committed since, by whichever process, and take that out of the tail.

        Returns:
            Whether anything changed.
        """
        began = time.monotonic()
        if began < self._rests_until:
            return False
        try:
            if self._base is None:
                if self._given_up or not self.backend.exists():
                    return False
                self._base = self.backend.open(None)
            elif not self._base.refresh():
                return False
            committed = self._base.cursor()
        except BusyError:  # it is being made or rewritten right now: what was read before, and the tail, still hold
            self._rest_after(began)
            return False
        except ProjectionError as error:
            self.put_aside(error)
            return True
        self._take_over(committed)
        return True

    def _take_over(self, committed: Mapping[str, Position]) -> None:
        """Go by a new cursor; where it went back, what it lacks has to be read from the log again."""
        before, self._committed = self._committed, committed
        back = [
            session_id
            for session_id, position in before.items()
            if session_id not in committed or committed[session_id].seq < position.seq
        ]
        if back:
            self.forget_tail(back)
            self.went_back = True
        self._prune()

    def put_aside(self, error: ProjectionError) -> None:
        """Give up on an unusable store: its file is moved away, and everything is read from the log again."""
        self.close()
        self._committed = {}
        self.went_back = True
        self.forget_tail()
        try:
            target = self.backend.set_aside()
        except OSError as refused:
            self.give_up(f"could not be used ({error.message}) nor set aside ({refused.strerror})")
            return
        where = f"; it was set aside as {target.name}" if target else ""
        self._warn(f"could not be used ({error.message}){where} and is rebuilt", "rebuilt")

    def give_up(self, reason: str) -> None:
        """Leave the durable layer alone for as long as this process lives: everything is read from the log."""
        self.close()
        self._committed = {}
        self.forget_tail()
        self._given_up = self.went_back = True
        self._warn(f"{reason}; the log is read instead", "unavailable")

    def _warn(self, told: str, what: str) -> None:
        self.warnings.append(Degraded(f"the {self.name} projection {told}", Reason(f"{self.name}_{what}")))
        logger.warning(self.warnings[-1])

    def _prune(self) -> None:
        """Keep in the tail what the durable layer does not hold."""
        kept: dict[str, list[Meaning]] = {}
        for session_id, meanings in self._meanings.items():
            position = self._committed.get(session_id)
            left = [meaning for meaning in meanings if position is None or meaning.event.seq > position.seq]
            if left:
                kept[session_id] = left
        if sum(map(len, kept.values())) == self.tail_events():
            return
        self._keep(kept)

    def _keep(self, kept: dict[str, list[Meaning]]) -> None:
        """Make the tail anew from these events."""
        self._meanings = kept
        self._reached = {session_id: self._reached[session_id] for session_id in kept}
        self._tail = self.backend.memory()
        self._tail.apply([meaning for meanings in kept.values() for meaning in meanings], self._reached)

    def read_tail_again(self, again: Callable[[Meaning], Meaning]) -> None:
        """Make the tail anew from what its events mean now. Nothing of what they meant before is left in it."""
        if self._meanings:
            self._keep({session_id: [*map(again, meanings)] for session_id, meanings in self._meanings.items()})

    def extend_tail(self, meanings: Sequence[Meaning], positions: Mapping[str, Position]) -> None:
        """Take events into the tail layer."""
        wanted = [meaning for meaning in meanings if self._is_new(meaning)]
        if wanted:
            self._tail.apply(wanted, positions)
        for meaning in wanted:
            self._meanings.setdefault(meaning.event.session_id, []).append(meaning)
        self._reached.update(positions)

    def _is_new(self, meaning: Meaning) -> bool:
        position = self.position(meaning.event.session_id)
        return position is None or meaning.event.seq > position.seq

    def forget_tail(self, sessions: Iterable[str] | None = None) -> None:
        """Empty the tail layer, of these sessions or of all."""
        if sessions is None:
            self._meanings, self._reached, self._tail = {}, {}, self.backend.memory()
            return
        for session_id in sessions:
            self._meanings.pop(session_id, None)
            self._reached.pop(session_id, None)
            self._tail.drop([session_id])

    def ask(self, question: Callable[[ViewT_co], AnswerT]) -> AnswerT:
        """Return what ``question`` finds in both layers read as one.

        A commit by another process may change the store under a reader, and damage may show only now; the question is
        then asked again.

        Raises:
            ProjectionError: The store cannot be read.
            BusyError: Another process held it for too long; for a few seconds it is then not waited for again.
        """
        began = time.monotonic()
        if began < self._rests_until:
            raise BusyError(f"the {self.name} projection was held for too long", remedy="try again in a few seconds")
        try:
            return self._ask(question)
        except BusyError:
            self._rest_after(began)
            raise

    def _rest_after(self, began: float) -> None:
        """Leave the store alone for a while if it was waited for in vain: one wait an answer is enough."""
        now = time.monotonic()
        if now - began >= LONG_WAIT_SECONDS:
            self._rests_until = now + _REST_SECONDS

    def _ask(self, question: Callable[[ViewT_co], AnswerT]) -> AnswerT:
        for attempt in range(_READ_ATTEMPTS):
            try:
                answer = question(self.backend.layered(self._base, self._tail))
            except ProjectionError:
                if not self.refresh() or attempt == _READ_ATTEMPTS - 1:
                    raise
            else:
                if not self.refresh():
                    break
            if self.went_back:
                self.read_again()
        return answer

    def close(self) -> None:
        """Release the durable store."""
        if self._base is not None:
            self._base.close()
            self._base = None
