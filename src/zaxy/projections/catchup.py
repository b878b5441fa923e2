"""Keeping the projections up with the log.

Before each answer the tail of the log that the durable stores lack is read into memory (`refresh`). When that tail gets
long, or in the background, the durable stores take it in (`catch_up`): one process at a time. A store whose cursor the
log does not confirm is rebuilt from the log, session by session.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from zaxy.errors import BusyError, ProjectionError, UnavailableError, WriteFailedError
from zaxy.eventloom.continuation import DivergedError
from zaxy.eventloom.folder import LogStat
from zaxy.eventloom.loom import Eventloom
from zaxy.ids import EventRef
from zaxy.projections.feeding import AnyTier, Erasing, Progress, drop_session, feed, writers
from zaxy.projections.following import Follower, MeaningOf, bytes_behind, is_at, place
from zaxy.projections.lag import Lag, Lags
from zaxy.projections.protocols import Position
from zaxy.projections.tier import PatientLock
from zaxy.telemetry import SILENT, Degraded, Observer, Reason
from zaxy.vocabulary.model import Extraction, Meaning

TAIL_BYTES: Final = 1024 * 1024
"""A longer tail is taken into the durable stores before the answer, a shorter one is searched in memory."""

LONG_TAIL_EVENTS: Final = 3_000
"""From so many events in memory on, who catches up in the background is told at each answer."""
_LONGEST_TAIL_EVENTS: Final = 10_000
"""What a process without a background keeps in memory at most: some 60 MB of short turns."""

_OTHER_WRITER_SECONDS: Final = 10.0
_ERASE_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.02
_REFRESH_ROUNDS: Final = 4


class Catchup:
    """Feeds projections from a loom. Safe to share between threads.

    Args:
        loom: The log.
        tiers: The projections.
        meaning: What an event means.
        observer: Who watches how long the stores take.
    """

    def __init__(
        self, loom: Eventloom, tiers: Sequence[AnyTier], meaning: MeaningOf, observer: Observer = SILENT
    ) -> None:
        self.lock = PatientLock()
        """Held while tiers are read or changed; whoever asks a tier holds it too."""
        self._loom = loom
        self._observer = observer
        self.tiers = tuple(tiers)
        """The projections; whoever asks one holds the lock."""
        damage: dict[str, str] = {}
        self.erasing = Erasing()
        """What is erased together with the stores. To be set before the first call."""
        self.when_erasing: Callable[[], None] = lambda: None
        """Called when an event was read that erases others and that the stores have not passed."""
        self.when_long: Callable[[], None] = lambda: None
        """Called at each answer while the tail in memory is long and nobody here writes it into the stores."""
        self.has_to_erase = False
        """Whether there is such an event."""
        self._reading = Follower(loom, meaning, damage)
        self._feeding = Follower(loom, meaning, damage)
        self._writing = threading.Lock()
        self._seen: dict[str, LogStat] = {}
        self._lags = Lags(loom)
        self._lost = False
        self._waiting: dict[str, LogStat] = {}
        """Logs that were found to have grown and were not read yet; whichever thread comes first reads them."""
        for tier in self.tiers:
            tier.read_again = self._read_again

    # ---- before an answer

    def refresh(self, progress: Progress | None = None) -> None:
        """Make the two layers of every projection hold every event that was acknowledged before this call.

        Args:
            progress: Told how many events were taken in, when that takes long.

        Raises:
            BusyError: A store holds what the log does not confirm, and another process writes to it.
        """
        self._loom.refuse_unusable()
        for _ in range(_REFRESH_ROUNDS):
            with self.lock:
                self._refresh_tiers()
                self._lost = False
                self._waiting.update(self._pending())
                behind = sum(bytes_behind(self._positions(name), stat) for name, stat in self._waiting.items())
                held = self.tail_events()
            if behind > TAIL_BYTES or held > _LONGEST_TAIL_EVENTS:
                self._catch_up_or_wait(progress)
            elif held >= LONG_TAIL_EVENTS and not self._writing.locked():
                self.when_long()
            with self.lock:
                self._read_waiting()
                if not self._lost:
                    return  # else a store was given up meanwhile, and all that it held is to be read again

    def _read_waiting(self) -> None:
        for session_id, stat in list(self._waiting.items()):
            self._read_tail(session_id, stat)
            del self._waiting[session_id]

    def _read_again(self) -> None:
        """Read from the log what a store lost in the middle of an answer, however much; the asker holds the lock."""
        self._refresh_tiers()
        self._waiting.update(self._pending())
        self._read_waiting()

    def _refresh_tiers(self) -> None:
        for tier in self.tiers:
            tier.refresh()
            if tier.went_back:
                tier.went_back = False
                self._lost = True
                self._seen.clear()
                self._reading.sweep_next()

    def _positions(self, session_id: str) -> list[Position | None]:
        return [tier.position(session_id) for tier in self.tiers]

    def _pending(self) -> dict[str, LogStat]:
        """Return the sessions whose log may hold something that no layer holds."""
        stats, all_of_them = self._reading.changed()
        if all_of_them:
            for session_id in {name for tier in self.tiers for name in tier.sessions()} - set(stats):
                gone = f"the log of session {session_id} is gone; it is not searched any more"
                self._reading.notice(Degraded(gone, Reason.LOG_DAMAGED))
                self._seen.pop(session_id, None)
                self._take_out(session_id)
        return {name: stat for name, stat in stats.items() if not self._is_known(name, stat)}

    def _is_known(self, session_id: str, stat: LogStat) -> bool:
        if stat.inode and self._seen.get(session_id) == stat:
            return True
        return all(is_at(position, stat) for position in self._positions(session_id))

    def _read_tail(self, session_id: str, stat: LogStat) -> None:
        """Read what neither layer holds of one session into the tail layer of each projection."""
        try:
            self._extend_tails(session_id, stat)
        except DivergedError:
            rebuilt = f"the projection of session {session_id} did not match its log and was rebuilt"
            self._reading.notice(Degraded(rebuilt, Reason.SESSION_REBUILT))
            self._take_out(session_id)
            self._extend_tails(session_id, stat)
        self._seen[session_id] = stat

    def _extend_tails(self, session_id: str, stat: LogStat) -> None:
        meanings: list[Meaning] = []
        position: Position | None = None
        for located in self._reading.after(session_id, self._positions(session_id)):
            meanings.append(self._reading.meaning(located.event))
            position = place(located, stat)
        if position is None:
            return
        known = [*self._positions(session_id)]
        for tier in self.tiers:
            tier.extend_tail(meanings, {session_id: position})
        news = [meaning for meaning in meanings if meaning.extraction.erased]
        if any(place is None or meaning.event.seq > place.seq for meaning in news for place in known):
            self._erase_from_tails(news)

    def _erase_from_tails(self, told: Sequence[Meaning]) -> None:
        """Read the tails again, as their events are now that these erased some of them."""
        erased = self._reading.sealed({ref for meaning in told for ref in meaning.extraction.erased})
        if not erased:
            return
        self.erasing.close(erased)
        known: dict[EventRef, Meaning] = {}

        def again(meaning: Meaning) -> Meaning:
            ref = meaning.event.ref
            if ref not in known:
                now = self._reading.resolve(ref)
                shown = now is not None and (ref not in erased or not now.opened)
                known[ref] = now if now is not None and shown else without_content(meaning)
            return known[ref]

        for tier in self.tiers:
            tier.read_tail_again(again)
        self.has_to_erase = True
        self.when_erasing()

    def _take_out(self, session_id: str) -> None:
        """Take a session out of every layer: what a store holds of it, the log does not confirm."""
        for tier in self.tiers:
            tier.forget_tail([session_id])
        holders = [tier for tier in self.tiers if session_id in tier.committed()]
        deadline = time.monotonic() + _OTHER_WRITER_SECONDS
        while holders:
            try:
                with writers(holders, self._reading, self.lock) as stores:
                    if stores and not drop_session(stores, session_id):
                        feed(stores, self._reading, None, self.erasing, observer=self._observer)
                    holders = [] if stores else holders
            except WriteFailedError as error:
                for tier in holders:
                    tier.give_up(f"holds what the log does not confirm and cannot be written ({error.message})")
                break
            if holders and time.monotonic() >= deadline:
                raise BusyError(
                    f"the projections hold a session {session_id} that the log does not confirm, and another process "
                    "writes to them",
                    remedy="try again",
                )
            if holders:
                time.sleep(_PAUSE_SECONDS)  # the other process ends its batch
        self._refresh_tiers()

    # ---- into the durable stores

    def _catch_up_or_wait(self, progress: Progress | None) -> None:
        """Shorten a long tail: by writing it into the stores, or by letting the process that does so get on."""
        deadline = time.monotonic() + _OTHER_WRITER_SECONDS
        while True:
            try:
                if self.catch_up(progress):
                    return
            except (BusyError, ProjectionError, WriteFailedError) as error:
                told = f"the projections could not be written ({error}); the log is read instead"
                with self.lock:
                    self._reading.notice(Degraded(told, Reason.PROJECTIONS_NOT_WRITTEN))
                return
            with self.lock:
                self._refresh_tiers()
                stats = self._loom.stats()
                behind = sum(bytes_behind(self._positions(name), stat) for name, stat in stats.items())
            if behind <= TAIL_BYTES or time.monotonic() >= deadline:
                return
            time.sleep(_PAUSE_SECONDS)  # the process that writes tells nobody when it is done

    def catch_up(self, progress: Progress | None = None) -> bool:
        """Bring every durable store up to the end of the log.

        Args:
            progress: Told how many events were taken in so far.

        Returns:
            False when another process or thread is doing that right now.

        Raises:
            ProjectionError: A store could not be written; the log and the answers are not affected.
        """
        return self.catch_up_by(lambda: self._write(progress))

    def _write(self, progress: Progress | None) -> bool:
        with writers(self.tiers, self._feeding, self.lock) as stores:
            if stores is None:
                return False
            feed(stores, self._feeding, progress, self.erasing, observer=self._observer)
        return True

    def catch_up_by(self, write: Callable[[], bool]) -> bool:
        """Let somebody else bring every durable store up to the end of the log, such as another process.

        Args:
            write: Does so; returns False when another process is doing that right now.

        Returns:
            False when another process or thread is doing that right now.
        """
        self._loom.refuse_unusable()
        if not self._writing.acquire(blocking=False):
            return False
        try:
            if not write():
                return False
        finally:
            self._writing.release()
        with self.lock:
            self.has_to_erase = False
            self._refresh_tiers()
        return True

    def rebuild(self, progress: Progress | None = None) -> int:
        """Empty every durable store and fill it from the log.

        Args:
            progress: Told how many events were taken in so far.

        Returns:
            How many events were taken in.

        Raises:
            BusyError: Another process writes to a store.
            ProjectionError: A store could not be written.
        """
        self._loom.refuse_unusable()
        with self._writing, writers(self.tiers, self._feeding, self.lock) as stores:
            if stores is None:
                raise BusyError("another process writes to a projection", remedy="try again")
            for store in stores:
                store.reset()
            taken = feed(stores, self._feeding, progress, self.erasing, observer=self._observer)
        with self.lock:
            for tier in self.tiers:
                tier.forget_tail()
            self._refresh_tiers()
            self._seen.clear()
            self._reading.sweep_next()
        return taken

    def erase(self, progress: Progress | None = None) -> None:
        """Bring every store past what was forgotten until now. On return nothing of it is left in them.

        Waits for another process that writes, as long as it gets on.

        Args:
            progress: Told how many events were taken in so far.

        Raises:
            BusyError: Another process or thread has a store and did not get on for a minute.
            ProjectionError: A store could not be cleaned; the next catch-up goes on with it.
            WriteFailedError: The disk refused; as above.
        """
        reached, deadline = -1, time.monotonic() + _ERASE_SECONDS
        while not self.catch_up(progress):
            with self.lock:
                self._refresh_tiers()
                now = sum(place.seq for tier in self.tiers for place in tier.committed().values())
            if now != reached:
                reached, deadline = now, time.monotonic() + _ERASE_SECONDS
            if time.monotonic() >= deadline:
                raise BusyError(
                    "another process has the projections and does not get on: what was forgotten is still in them",
                    remedy="stop it, then run: zaxy reproject",
                )
            time.sleep(_PAUSE_SECONDS)  # the process that writes tells nobody when it is done
        self.refresh()

    # ---- telling

    def lag(self) -> Mapping[str, Lag]:
        """Return, for each projection, how far its durable store is behind the log."""
        with self.lock:
            self._refresh_tiers()
            reached = {tier.name: tier.committed() for tier in self.tiers}
        stats = self._loom.stats()  # without the lock: answers need not wait while many logs are looked at
        return {name: self._lags.of(positions, stats) for name, positions in reached.items()}

    def tail_events(self) -> int:
        """Return how many events the longest tail in memory holds."""
        with self.lock:
            return max((tier.tail_events() for tier in self.tiers), default=0)

    def notice(self, texts: Iterable[str]) -> None:
        """Note what callers should be told once, such as what another process met when it wrote the stores."""
        with self.lock:
            for text in texts:
                self._feeding.notice(text)

    def warnings(self) -> list[str]:
        """Return what a caller should know of damaged logs and rebuilt stores; notices are given once."""
        with self.lock:
            told = self._reading.warnings() + self._feeding.notices()
            for tier in self.tiers:
                told += tier.warnings
                tier.warnings = []
            return told

    def close(self) -> None:
        """Release the stores. An erasure that was met unfinished is finished first: whoever began it may be gone."""
        if self.has_to_erase:
            with contextlib.suppress(UnavailableError):  # the next process tries again
                self.catch_up()
        with self.lock:
            for tier in self.tiers:
                tier.close()


def without_content(meaning: Meaning) -> Meaning:
    """Return what an event means of which nothing may be told any more."""
    event = replace(meaning.event, payload={})
    return Meaning(event, Extraction("", meaning.extraction.event_class), trust=meaning.trust)
