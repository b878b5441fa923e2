"""Checkpoints that nobody asks for: after so many events, when the last one is old, and at a rotation.

They are made behind the appends, in a thread of their own, by one process at a time. One that fails is told of, and
never makes an append fail: the event is on disk, and the next checkpoint takes it in.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from zaxy.clock import Clock
from zaxy.errors import IntegrityError, ZaxyError

if TYPE_CHECKING:
    from zaxy.eventloom.proof.notary import Notary

logger = logging.getLogger("zaxy.eventloom")

_MICROSECONDS: Final = 1_000_000


class AutomaticCheckpoints:
    """Makes checkpoints of one loom as it grows. Safe to use from several threads.

    Args:
        find: Returns the loom's notary, None while the loom has no key to sign with.
        last_made: Returns when the newest checkpoint was signed, by whichever process, in microseconds; 0 for never.
        clock: What time it is.
        events: After so many events of this process, 0 for never.
        seconds: When the last checkpoint is so old and something is new, 0 for never.
    """

    def __init__(
        self,
        find: Callable[[], Notary | None],
        last_made: Callable[[], int],
        clock: Clock,
        *,
        events: int,
        seconds: int,
    ) -> None:
        self._find = find
        self._last_made = last_made
        self._clock = clock
        self._events = events
        self._microseconds = seconds * _MICROSECONDS
        self._made_at = 0
        self._told = ""
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._new = 0
        self._thread: threading.Thread | None = None

    def _check_process(self) -> None:
        if os.getpid() != self._process:  # a forked child has neither the thread nor what it was counting
            self._reset()

    def note(self, events: int) -> None:
        """Count what was appended, and make a checkpoint if one is due. Returns at once."""
        if not self._events and not self._microseconds:
            return
        self._check_process()
        with self._lock:
            self._new += events
            if self._is_due() and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._make, name="zaxy-checkpoint", daemon=True)
                self._thread.start()

    def _is_due(self) -> bool:
        if self._events and self._new >= self._events:
            return True
        if not self._microseconds or not self._new:
            return False
        now = self._clock.now()
        if not self._made_at:
            try:
                self._made_at = self._last_made()
            except (ZaxyError, OSError):  # making one says what is wrong
                return True
        return now < self._made_at or now - self._made_at >= self._microseconds

    def now(self) -> None:
        """Make a checkpoint in this thread, as at a rotation."""
        self._check_process()
        if self._events or self._microseconds:
            self._make()

    def _make(self) -> None:
        with self._lock:
            counted, self._new = self._new, 0
            self._made_at = self._clock.now()
        try:
            notary = self._find()
            if notary is None:
                return
            done = notary.checkpoint_if_free()
            if done is None:
                with self._lock:
                    self._new += counted
                return
            for problem in done.problems:
                self._tell(f"session {problem.session_id} is not in the checkpoint: {problem.message}")
        except (ZaxyError, OSError) as error:
            self._tell(f"no checkpoint was made: {error}")
            if not isinstance(error, IntegrityError):
                with self._lock:
                    self._new += counted

    def _tell(self, message: str) -> None:
        if message != self._told:
            logger.warning("%s", message)
        self._told = message

    def close(self) -> None:
        """Wait for the one that is being made, and make the last one if it is due."""
        self._check_process()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        with self._lock:
            due = bool(self._new) and self._is_due()
        if due:
            self._make()
