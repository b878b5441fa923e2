"""Writing the log into the durable stores: one process at a time, in batches, from each store's own cursor."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from zaxy.errors import BusyError, ProjectionError, ZaxyError
from zaxy.eventloom.continuation import DivergedError
from zaxy.eventloom.event import Event
from zaxy.eventloom.folder import LogStat
from zaxy.files.cache import leave_mark
from zaxy.files.durable import sync_directory
from zaxy.files.lock import try_lock, unlock
from zaxy.ids import EventRef
from zaxy.projections.following import Follower, is_at, place
from zaxy.projections.protocols import Position
from zaxy.projections.tier import DurableStore, Tier
from zaxy.telemetry import SILENT, Degraded, Observer, Operation, Reason
from zaxy.vocabulary.model import Meaning

_BATCH_EVENTS: Final = 4_000
_BATCH_BYTES: Final = 8 * 1024 * 1024
_MOST_PASSES: Final = 8
_MOST_TOLD: Final = 10
_KEY_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.02
_WHY: Final = "an event was forgotten that they may hold"

Progress = Callable[[int, int | None], None]
AnyTier = Tier[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Erasing:
    """What goes together with the stores when events are forgotten. Both may be called again for the same events.

    Attributes:
        keys: Destroys the keys of these events, where somebody was stopped before doing so.
        others: Removes these events from what is derived and is no tier, such as vectors.
    """

    keys: Callable[[Collection[EventRef]], object] = tuple
    others: Callable[[Collection[EventRef]], object] = tuple

    def close(self, refs: Collection[EventRef]) -> None:
        """Let nobody read these events any more; what can still be read then is left out by who calls this."""
        with contextlib.suppress(ZaxyError):
            self.keys(refs)

    def all(self, refs: Collection[EventRef]) -> None:
        """Erase these events from all that is no tier.

        Raises:
            ZaxyError: As `others`.
        """
        self.close(refs)
        self.others(refs)


class OpenStore:
    """A store that is open for writing, and whether its files may hold more than its cursor tells.

    So it is after a writer was killed, and after a session was dropped, whose bytes a library may leave in its files.
    A mark beside the store is there meanwhile.

    Args:
        tier: The store's tier.
        open_store: Opens it.
    """

    def __init__(self, tier: AnyTier, open_store: Callable[[], DurableStore]) -> None:
        self.tier = tier
        self.is_unclean = tier.mark.exists()
        leave_mark(tier.mark)
        self.store = open_store()

    def drop(self, session_id: str) -> bool:
        """Take a session out; return False when that was too much at once and all was removed instead."""
        try:
            self.store.drop([session_id])
        except ProjectionError:
            self.reset()
            return False
        self.is_unclean = True
        return True

    def reset(self) -> None:
        """Remove everything. On return no file of the store holds any of it.

        Raises:
            ProjectionError: Something is left.
            DurabilityUnknownError: Something may come back after a power loss.
        """
        self.store.reset()
        self.tier.backend.remove_copies()
        path = self.tier.backend.path
        for folder in (path.parent, path):
            if folder.is_dir():
                sync_directory(folder)
        self.is_unclean = False

    def close(self) -> None:
        """Release the store."""
        self.store.close()
        if not self.is_unclean:
            with contextlib.suppress(OSError):  # a mark that stays costs the next erasure a rebuild
                self.tier.mark.unlink()


@dataclass(slots=True)
class _Batch:
    """Events on their way into the durable stores, and the positions that they lead to."""

    meanings: list[Meaning] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    size: int = 0

    def is_full(self) -> bool:
        return len(self.meanings) >= _BATCH_EVENTS or self.size >= _BATCH_BYTES


class _Bits:
    """A set of events, one bit for each place of a log: a loom may hold a million sealed ones."""

    def __init__(self) -> None:
        self._bits: dict[str, bytearray] = {}

    def add(self, ref: EventRef) -> None:
        held = self._bits.setdefault(ref.session_id, bytearray())
        held.extend(bytes(max(0, ref.seq // 8 + 1 - len(held))))
        held[ref.seq // 8] |= 1 << ref.seq % 8

    def __contains__(self, ref: EventRef) -> bool:
        held = self._bits.get(ref.session_id, b"")
        return ref.seq // 8 < len(held) and bool(held[ref.seq // 8] >> ref.seq % 8 & 1)


@contextlib.contextmanager
def writers(
    tiers: Sequence[AnyTier], follower: Follower, lock: contextlib.AbstractContextManager[bool]
) -> Iterator[list[OpenStore] | None]:
    """Open the durable stores for writing; gives None when another process has one of them.

    A store that cannot be used is set aside, and a new one is begun.

    Args:
        tiers: Whose stores.
        follower: Reads the logs.
        lock: Held while a tier changes.

    Raises:
        ProjectionError: A store cannot be made.
    """
    with contextlib.ExitStack() as stack:
        opened: list[OpenStore] | None = []
        for tier in tiers:
            held = try_lock(tier.lock)
            if held is not None:
                stack.callback(unlock, held)
            store = None if held is None else _open(tier, follower, lock)
            if store is None:
                opened = None
                break
            stack.callback(store.close)
            opened = [*(opened or ()), store]
        yield opened


def _open(tier: AnyTier, follower: Follower, lock: contextlib.AbstractContextManager[bool]) -> OpenStore | None:
    def open_store() -> DurableStore:
        store: DurableStore
        try:
            store = tier.backend.open(follower.resolve)
        except BusyError:
            raise
        except ProjectionError as error:
            with lock:
                tier.put_aside(error)
            store = tier.backend.open(follower.resolve)
        return store

    try:
        return OpenStore(tier, open_store)
    except BusyError:
        return None


def feed(
    stores: Sequence[OpenStore],
    follower: Follower,
    progress: Progress | None,
    erasing: Erasing | None = None,
    *,
    observer: Observer = SILENT,
) -> int:
    """Bring open stores up to the end of every log.

    A store that may hold something of an event that is erased is emptied and fed again before its cursor passes the
    event that says so. So whatever stopped an erasure, the next call finishes it.

    Args:
        stores: The stores, each with its tier.
        follower: Reads the logs.
        progress: Told how many events were taken in so far.
        erasing: What else is erased.
        observer: Who watches how long each store takes for a batch.

    Returns:
        How many events were taken in.

    Raises:
        ProjectionError: A store could not be written, or an event that was forgotten can still be read.
    """
    done = 0
    for _ in range(_MOST_PASSES):
        feeding = _Feeding(stores, follower, progress, erasing or Erasing(), observer)
        feeding.done = done
        feeding.run()
        done = feeding.done
        if not feeding.to_do_again:
            return done
    raise ProjectionError("the projections could not be cleaned of what is being forgotten", remedy="try again")


def drop_session(stores: Sequence[OpenStore], session_id: str) -> bool:
    """Take a session out of open stores.

    Returns:
        False when a store could not take out so much at once and was emptied whole: all of it must be fed again.
    """
    whole = [store.drop(session_id) for store in stores]
    return all(whole)


class _Feeding:
    """One run over the logs: collects batches across sessions and hands each to every store that lacks it."""

    def __init__(
        self,
        stores: Sequence[OpenStore],
        follower: Follower,
        progress: Progress | None,
        erasing: Erasing,
        observer: Observer,
    ) -> None:
        self.done = 0
        self.to_do_again = False
        self._stores = stores
        self._before = [store.store.cursor() for store in stores]
        self._follower = follower
        self._progress = progress
        self._erasing = erasing
        self._observer = observer
        self._opened = _Bits()
        self._spoiled: set[int] = set()
        self._unreadable: set[EventRef] = set()
        self._batch = _Batch()

    def run(self) -> None:
        """Take in what any store lacks."""
        for session_id, stat in self._follower.loom.stats().items():
            positions = [cursor.get(session_id) for cursor in self._before]
            if all(is_at(position, stat) for position in positions):
                continue
            try:
                self._take(session_id, stat, positions)
            except DivergedError:
                self._flush()
                rebuilt = f"the projection of session {session_id} did not match its log and was rebuilt"
                self._follower.notice(Degraded(rebuilt, Reason.SESSION_REBUILT))
                if not drop_session(self._stores, session_id):
                    self.to_do_again = True
                    return
                self._take(session_id, stat, [None])
        self._flush()
        if self._spoiled:
            self._empty()

    def _take(self, session_id: str, stat: LogStat, positions: Sequence[Position | None]) -> None:
        for located in self._follower.after(session_id, positions):
            meaning = self._follower.meaning(located.event)
            if meaning.opened:
                self._opened.add(meaning.event.ref)
            self._batch.meanings.append(meaning)
            self._batch.size += located.length
            self._batch.positions[session_id] = place(located, stat)
            if self._batch.is_full():
                self._flush()

    def _flush(self) -> None:
        batch, self._batch = self._batch, _Batch()
        if not batch.meanings:
            return
        cursors = [store.store.cursor() for store in self._stores]
        self._look_for_erased([meaning for meaning in batch.meanings if meaning.extraction.erased], cursors)
        for number, (store, cursor) in enumerate(zip(self._stores, cursors, strict=True)):
            wanted = [meaning for meaning in batch.meanings if _is_behind(cursor, meaning.event)]
            if wanted and number not in self._spoiled:
                moved = {meaning.event.session_id for meaning in wanted}
                with self._observer.measure(Operation.PROJECTION, store.tier.name) as measured:
                    store.store.apply(wanted, {name: batch.positions[name] for name in moved})
                    measured.tell("events", len(wanted))
        self.done += len(batch.meanings)
        if self._progress is not None:
            self._progress(self.done, None)

    # ---- erasing

    def _look_for_erased(self, told: Sequence[Meaning], cursors: Sequence[Mapping[str, Position]]) -> None:
        """Find the stores that may hold something of what these events erase; they take nothing in any more."""
        news = [meaning for meaning in told if any(_is_behind(cursor, meaning.event) for cursor in cursors)]
        erased = {ref for meaning in news for ref in meaning.extraction.erased}
        sealed = self._follower.sealed(erased)
        for ref in sorted(erased - sealed)[:_MOST_TOLD]:
            self._follower.notice(f"event {ref.seq} of session {ref.session_id} is not sealed: it is not erased")
        if not sealed:
            return
        self._erasing.all(sealed)
        for number, (store, cursor) in enumerate(zip(self._stores, cursors, strict=True)):
            lacked = [meaning for meaning in news if _is_behind(cursor, meaning.event)]
            refs = {ref for meaning in lacked for ref in meaning.extraction.erased if ref in sealed}
            held = {ref for ref in refs if self._holds(number, ref)}
            if held or (refs and store.is_unclean):
                self._spoiled.add(number)
                self._unreadable |= held
            elif refs and store.tier.backend.remove_copies():
                self._follower.notice(f"older copies of the {store.tier.name} projection were removed: {_WHY}")

    def _holds(self, number: int, ref: EventRef) -> bool:
        """Whether a store may hold what an event said: by an earlier run, or by this one, which could read it."""
        position = self._before[number].get(ref.session_id)
        return ref in self._opened or (position is not None and ref.seq <= position.seq)

    def _empty(self) -> None:
        """Empty the stores that hold something of what is erased, and make sure that nobody can fill it in again."""
        for number in sorted(self._spoiled):
            self._stores[number].reset()
        deadline = time.monotonic() + _KEY_SECONDS
        while any(self._can_be_read(ref) for ref in self._unreadable):
            if time.monotonic() >= deadline:
                raise ProjectionError(
                    "an event is being forgotten, and its key is not destroyed yet",
                    remedy="try again; if it stays so, end this process: the next one destroys the key",
                )
            time.sleep(_PAUSE_SECONDS)  # the process that forgets tells nobody when the key is gone
        self.to_do_again = True

    def _can_be_read(self, ref: EventRef) -> bool:
        meaning = self._follower.resolve(ref)
        return meaning is not None and meaning.opened


def _is_behind(cursor: Mapping[str, Position], event: Event) -> bool:
    position = cursor.get(event.session_id)
    return position is None or event.seq > position.seq
