"""Filling vectors in behind the log: one process at a time, from a cursor of its own, a commit every few texts.

Neither appends nor answers wait for it. Killed at any moment, it goes on where it last committed.
"""

from __future__ import annotations

import logging
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from zaxy.embedding.protocol import Embedder
from zaxy.errors import BusyError, IntegrityError, NotALogError, ProjectionError
from zaxy.eventloom.continuation import DivergedError
from zaxy.eventloom.folder import LogStat
from zaxy.eventloom.loom import Eventloom
from zaxy.files.durable import rename_beside
from zaxy.files.lock import try_lock, unlock
from zaxy.ids import EventRef
from zaxy.projections.following import Follower, MeaningOf, is_at, place
from zaxy.projections.protocols import Position
from zaxy.projections.vectors.erasing import erase_vectors, filling_lock, is_erasing_wanted
from zaxy.projections.vectors.scoring import Floats
from zaxy.projections.vectors.store import Filed, VectorStore, digest_of
from zaxy.vocabulary.model import EventClass

logger = logging.getLogger("zaxy.projections")

Progress = Callable[[int, int | None], None]

_BATCH_EVENTS: Final = 2_000
_COMMIT_TEXTS: Final = 64
_COMMIT_CHARACTERS: Final = 32_000
"""How many texts are embedded between two commits: at most a few seconds' work is done again after a crash."""

_GENERATION: Final = re.compile(r"[0-9a-f]{16}")
_PAUSE_SECONDS: Final = 0.05
_OTHER_FILLER_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the log has vectors.

    Attributes:
        embedded: How many events have one.
        waiting: How many events were not looked at yet; those without text will get none.
        model: The name of the model.
        dimension: The length of a vector, 0 before the first one.
        last_error: What kept the filler of this process from going on, if anything did.
    """

    embedded: int
    waiting: int
    model: str
    dimension: int
    last_error: str | None


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An event on its way: its text (empty: none is embedded) and the position behind it."""

    ref: EventRef
    text: str
    position: Position


class VectorFiller:
    """Embeds what the log holds. Safe to share between threads.

    Args:
        loom: The log.
        folder: Where the stores of all models are.
        embedder: The model.
        meaning: What an event means.
    """

    def __init__(self, loom: Eventloom, folder: Path, embedder: Embedder, meaning: MeaningOf) -> None:
        self.store = VectorStore(folder, embedder.name)
        self.embedder = embedder
        self.last_error: str | None = None
        """What the last call that filled in the background failed with."""
        self._folder = folder
        self._loom = loom
        self._follower = Follower(loom, meaning, {})
        self._cursor: dict[str, Position] = {}
        self._left_at = -1
        """The store's commits when a call ended that brought it up to every log."""
        self._stop: Callable[[], bool] = bool
        self._progress: Progress | None = None
        self._done = 0
        self._gave_way = False

    # ---- filling

    @contextmanager
    def _writing(self) -> Iterator[bool]:
        """Hold the lock of the one writer; gives False when another thread or process has it."""
        self._loom.refuse_unusable()
        held = try_lock(filling_lock(self._folder))
        try:
            yield held is not None
        finally:
            if held is not None:
                unlock(held)

    def fill(self, progress: Progress | None = None, stop: Callable[[], bool] = bool) -> int | None:
        """Embed every event that has no vector yet.

        Args:
            progress: Told how many events got one so far.
            stop: Asked after each commit; True ends the call early.

        Returns:
            How many events got a vector; None when another thread or process is filling.

        Raises:
            EmbeddingError: The model did not answer; what was committed before stays.
            ZaxyError: As the model, the store or the disk told.
        """
        filled = 0
        while True:
            with self._writing() as alone:
                if not alone:
                    return filled or None
                self._progress, self._stop, self._done, self._gave_way = progress, stop, filled, False
                left_at, self._left_at = self._left_at, -1
                self._begin(left_at)
                if self._fill():
                    self._remove_other_models()
                    self._left_at = self.store.head().commits
                self.last_error = None
                filled = self._done
                if not self._gave_way:
                    return filled
            time.sleep(_PAUSE_SECONDS)  # the process that erases tells nobody when it is done

    def _is_to_stop(self) -> bool:
        """Whether the caller wants an end, or somebody waits who erases something."""
        self._gave_way = self._gave_way or is_erasing_wanted(self._folder)
        return self._gave_way or self._stop()

    def fill_all(self, progress: Progress | None = None, *, from_scratch: bool = False) -> int:
        """Embed everything now; wait for another process that is doing so as long as it gets on.

        Args:
            progress: Told how many events got a vector so far.
            from_scratch: Whether the stored vectors are removed first.

        Returns:
            How many events got a vector in this call.

        Raises:
            BusyError: Another process has held the lock for a minute without a commit.
            ZaxyError: As `fill`.
        """
        wanted_reset, seen, deadline = from_scratch, -1, time.monotonic() + _OTHER_FILLER_SECONDS
        while True:
            if wanted_reset:
                with self._writing() as alone:
                    if alone:
                        self.store.reset()
                        wanted_reset = False
            filled = None if wanted_reset else self.fill(progress)
            if filled is not None:
                return filled
            commits = self.store.head().commits
            if commits != seen:
                seen, deadline = commits, time.monotonic() + _OTHER_FILLER_SECONDS
            if time.monotonic() >= deadline:
                raise BusyError("another process fills the vectors and does not get on", remedy="stop it, or try again")
            time.sleep(_PAUSE_SECONDS)  # the process that fills tells nobody when it is done

    def _begin(self, left_at: int) -> None:
        """Open the store; unless it is as the last whole call here left it, look at every log again."""
        try:
            self.store.begin()
        except BusyError:
            raise
        except ProjectionError as error:
            moved = rename_beside(self.store.folder, f"{self.store.folder.name}.set-aside-{time.time_ns()}")
            logger.warning("the vectors could not be used (%s); they were set aside as %s", error, moved.name)
            self.store.close()
            self.store.begin()
        if self.store.head().commits != left_at:
            self._cursor = dict(self.store.cursor())
            self._follower.sweep_next()

    def _fill(self) -> bool:
        """Bring the store up to every log; return False when told to stop."""
        stats, all_of_them = self._follower.changed()
        if all_of_them:
            self._drop(set(self._cursor) - set(stats))
        waiting: list[_Waiting] = []
        for session_id, stat in stats.items():
            if is_at(self._cursor.get(session_id), stat):
                continue
            try:
                self._read(session_id, stat, waiting)
            except DivergedError:
                self._commit(waiting)
                self._drop([session_id])
                self._read(session_id, stat, waiting)
            if self._is_to_stop():
                return False
        self._commit(waiting)
        return not (self._gave_way or self._stop())

    def _read(self, session_id: str, stat: LogStat, waiting: list[_Waiting]) -> None:
        for located in self._follower.after(session_id, [self._cursor.get(session_id)]):
            extraction = self._follower.meaning(located.event).extraction
            if extraction.erased:
                self._erase(extraction.erased, waiting)
            is_memory = extraction.event_class is not EventClass.HOUSEKEEPING
            text = extraction.text if is_memory and extraction.text.strip() else ""
            waiting.append(_Waiting(located.event.ref, text, place(located, stat)))
            if len(waiting) >= _BATCH_EVENTS:
                self._commit(waiting)
                if self._is_to_stop():
                    return

    def _erase(self, refs: Collection[EventRef], waiting: list[_Waiting]) -> None:
        """Remove what is erased before the cursor passes the event that says so."""
        waiting[:] = [replace(one, text="") if one.ref in refs else one for one in waiting]
        self.store.forget(refs)

    def _drop(self, sessions: Sequence[str] | set[str]) -> None:
        if sessions:
            self.store.drop(sessions)
            for session_id in sessions:
                self._cursor.pop(session_id, None)

    def _commit(self, waiting: list[_Waiting]) -> None:
        """Embed what waits and store it, a commit after every few texts that are new."""
        digests = [digest_of(one.text) for one in waiting]
        known = self.store.known({digest for digest, one in zip(digests, waiting, strict=True) if one.text})
        part: list[tuple[_Waiting, int]] = []
        fresh: dict[int, str] = {}
        for one, digest in zip(waiting, digests, strict=True):
            part.append((one, digest))
            if one.text and digest not in known:
                fresh[digest] = one.text
            if len(fresh) >= _COMMIT_TEXTS or sum(map(len, fresh.values())) >= _COMMIT_CHARACTERS:
                self._apply(part, fresh)
                known.update(fresh)
                part, fresh = [], {}
                if self._is_to_stop():
                    break
        else:
            if part:
                self._apply(part, fresh)
        waiting.clear()

    def _apply(self, part: Sequence[tuple[_Waiting, int]], fresh: dict[int, str]) -> None:
        vectors: dict[int, Floats] = {}
        if fresh:
            vectors = dict(zip(fresh, self.embedder.embed(list(fresh.values())), strict=True))
        filed = [Filed(one.ref, digest) for one, digest in part if one.text]
        positions = {one.ref.session_id: one.position for one, _ in part}
        self.store.apply(filed, vectors, positions)
        self._cursor.update(positions)
        self._done += len(filed)
        if self._progress is not None:
            self._progress(self._done, None)

    def _remove_other_models(self) -> None:
        """Remove the vectors of models that were used before: those of this one cover the log now."""
        for folder in self._folder.iterdir():
            if folder != self.store.folder and _GENERATION.fullmatch(folder.name):
                logger.info("the vectors of another model are removed: %s", folder)
                shutil.rmtree(folder, ignore_errors=True)

    # ---- forgetting and telling

    def forget(self, refs: Collection[EventRef]) -> None:
        """Remove the vectors of events, of every model: on return they are not in the files any more.

        Errors as `erase_vectors`.
        """
        self._loom.refuse_unusable()
        erase_vectors(self._folder, self.embedder.name, refs)

    def coverage(self) -> Coverage:
        """Return how much of the log has vectors. Looks at every session: for status, not for answers.

        Raises:
            ProjectionError: The store cannot be read.
        """
        cursor, waiting = self.store.cursor(), 0
        for session_id, stat in self._loom.stats().items():
            position = cursor.get(session_id)
            if not is_at(position, stat):
                with suppress(IntegrityError, NotALogError, OSError):  # damage is told by the log's own status
                    waiting += max(0, self._loom.log(session_id).head().seq - (position.seq if position else 0))
        dimension = self.store.head().dimension or self.embedder.dimension
        return Coverage(self.store.count(), waiting, self.embedder.name, dimension, self.last_error)
