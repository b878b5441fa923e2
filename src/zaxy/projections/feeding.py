"""Writing the log into the durable stores: one process at a time, in batches, from each store's own cursor."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from zaxy.errors import BusyError, ProjectionError
from zaxy.eventloom.continuation import DivergedError
from zaxy.eventloom.event import Event
from zaxy.eventloom.folder import LogStat
from zaxy.files.lock import try_lock, unlock
from zaxy.projections.following import Follower, is_at, place
from zaxy.projections.protocols import Position
from zaxy.projections.tier import DurableStore, Tier
from zaxy.vocabulary.model import Meaning

_BATCH_EVENTS: Final = 2_000
_BATCH_BYTES: Final = 8 * 1024 * 1024

Progress = Callable[[int, int | None], None]
AnyTier = Tier[Any, Any, Any]
OpenStore = tuple[AnyTier, DurableStore]


@dataclass(slots=True)
class _Batch:
    """Events on their way into the durable stores, and the positions that they lead to."""

    meanings: list[Meaning] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    size: int = 0

    def is_full(self) -> bool:
        return len(self.meanings) >= _BATCH_EVENTS or self.size >= _BATCH_BYTES


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
            opened = [*(opened or ()), (tier, store)]
        yield opened


def _open(tier: AnyTier, follower: Follower, lock: contextlib.AbstractContextManager[bool]) -> DurableStore | None:
    store: DurableStore
    try:
        store = tier.backend.open(follower.resolve)
    except BusyError:
        return None
    except ProjectionError as error:
        with lock:
            tier.put_aside(error)
        store = tier.backend.open(follower.resolve)
    return store


def feed(stores: Sequence[OpenStore], follower: Follower, progress: Progress | None) -> int:
    """Bring open stores up to the end of every log.

    Args:
        stores: The stores, each with its tier.
        follower: Reads the logs.
        progress: Told how many events were taken in so far.

    Returns:
        How many events were taken in.
    """
    cursors = [store.cursor() for _, store in stores]
    feeding = _Feeding(stores, progress)
    for session_id, stat in follower.loom.stats().items():
        positions = [cursor.get(session_id) for cursor in cursors]
        if all(is_at(position, stat) for position in positions):
            continue
        try:
            feeding.take(follower, session_id, stat, positions)
        except DivergedError:
            feeding.flush()
            follower.notice(f"the projection of session {session_id} did not match its log and was rebuilt")
            if not drop_session(stores, session_id):
                return feeding.done + feed(stores, follower, progress)
            feeding.take(follower, session_id, stat, [None])
    feeding.flush()
    return feeding.done


def drop_session(stores: Sequence[OpenStore], session_id: str) -> bool:
    """Take a session out of open stores.

    Returns:
        False when a store could not take out so much at once and was emptied whole: all of it must be fed again.
    """
    whole = True
    for _, store in stores:
        try:
            store.drop([session_id])
        except ProjectionError:
            store.reset()
            whole = False
    return whole


class _Feeding:
    """One run over the logs: collects batches across sessions and hands each to every store that lacks it."""

    def __init__(self, stores: Sequence[OpenStore], progress: Progress | None) -> None:
        self.done = 0
        self._stores = stores
        self._progress = progress
        self._batch = _Batch()

    def take(self, follower: Follower, session_id: str, stat: LogStat, positions: Sequence[Position | None]) -> None:
        for located in follower.after(session_id, positions):
            self._batch.meanings.append(follower.meaning(located.event))
            self._batch.size += located.length
            self._batch.positions[session_id] = place(located, stat)
            if self._batch.is_full():
                self.flush()

    def flush(self) -> None:
        batch, self._batch = self._batch, _Batch()
        if not batch.meanings:
            return
        for _, store in self._stores:
            cursor = store.cursor()
            wanted = [meaning for meaning in batch.meanings if _is_behind(cursor, meaning.event)]
            if wanted:
                moved = {meaning.event.session_id for meaning in wanted}
                store.apply(wanted, {name: batch.positions[name] for name in moved})
        self.done += len(batch.meanings)
        if self._progress is not None:
            self._progress(self.done, None)


def _is_behind(cursor: Mapping[str, Position], event: Event) -> bool:
    position = cursor.get(event.session_id)
    return position is None or event.seq > position.seq
