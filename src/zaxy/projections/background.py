"""Catching up in the background of a long-lived process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from zaxy.errors import UnavailableError, ZaxyError
from zaxy.projections.catchup import Catchup
from zaxy.telemetry import SILENT, Counted, Observer, Reason

logger = logging.getLogger("zaxy.projections")

_MANY_EVENTS: Final = 5_000
_QUIET_SECONDS: Final = 1.0


class LostProcessError(UnavailableError):
    """Raised when a process that was to write the stores could not be started or ended before it was done."""


class BackgroundCatchup:
    """Brings the durable stores up to the log once many events came in, or once it has been quiet for a second.

    So it does when an event is read that erases others, whoever recorded it: that process may have been stopped. And
    when many events are in memory that other processes recorded, of which nobody tells.

    Args:
        catchup: What to run.
        observer: Who watches whether it works.
    """

    def __init__(self, catchup: Catchup, observer: Observer = SILENT) -> None:
        self._catchup = catchup
        self._observer = observer
        catchup.when_erasing = lambda: self.note(1)
        catchup.when_long = lambda: self.note(_MANY_EVENTS)
        self._condition = threading.Condition()
        self.elsewhere: Callable[[], bool] | None = None
        """What writes the stores when there is much to do, in place of this process; as `Catchup.catch_up_by` takes it.
        To be set before the first call."""
        self._pending = 0
        self._closing = False
        self._thread: threading.Thread | None = None
        self.last_error: str | None = None

    def note(self, events: int) -> None:
        """Tell that events were appended."""
        with self._condition:
            self._pending += events
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="zaxy-catch-up", daemon=True)
                self._thread.start()
            if self._pending >= _MANY_EVENTS or self._pending == events:  # enough to do, or the first of a quiet spell
                self._condition.notify()

    def _run(self) -> None:
        while events := self._wait():
            try:
                if not self._catch_up(events):
                    self.note(1)  # another process is at it: look again after a pause
                self.last_error = None
            except ZaxyError as error:
                self.last_error = str(error)
                self._observer.count(Counted.DEGRADED, Reason.PROJECTIONS_NOT_WRITTEN)
                logger.warning("the projections could not be brought up to the log: %s", error)
            except (
                Exception
            ) as error:  # the thread must outlive a surprise: the log and the answers do not depend on it
                self.last_error = f"{type(error).__name__}: {error}"
                self._observer.count(Counted.DEGRADED, Reason.PROJECTIONS_NOT_WRITTEN)
                logger.exception("catching up failed")

    def _catch_up(self, events: int) -> bool:
        if self.elsewhere is not None and events >= _MANY_EVENTS:
            try:
                return self._catchup.catch_up_by(self.elsewhere)
            except LostProcessError as error:
                logger.warning("%s; this process writes the projections itself", error.message)
        return self._catchup.catch_up()

    def _wait(self) -> int:
        """Wait until there is enough to do; return how many events were told of, 0 when it is time to end."""
        with self._condition:
            while not self._closing:
                before = self._pending
                if before >= _MANY_EVENTS:
                    break
                told = self._condition.wait(timeout=None if before == 0 else _QUIET_SECONDS)
                if not told and 0 < before == self._pending:
                    break
            events, self._pending = self._pending, 0
            return 0 if self._closing else events

    def close(self) -> None:
        """End the thread; a batch that is being written is finished first."""
        with self._condition:
            self._closing = True
            self._condition.notify()
            thread = self._thread
        if thread is not None:
            thread.join()
