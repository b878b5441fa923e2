"""Filling vectors in on a thread of a long-lived process."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from zaxy.embedding.protocol import EmbeddingError
from zaxy.telemetry import SILENT, Counted, Observer, Reason

if TYPE_CHECKING:
    from zaxy.projections.vectors.filling import VectorFiller

logger = logging.getLogger("zaxy.projections")

_GATHER_SECONDS: Final = 1.0
_OTHER_PROCESS_SECONDS: Final = 5.0
_FIRST_PAUSE_SECONDS: Final = 5.0
_LONGEST_PAUSE_SECONDS: Final = 300.0
_END_SECONDS: Final = 5.0
_NICENESS: Final = 15


class BackgroundFilling:
    """Fills vectors in, from a second after something was recorded. A model that fails is asked again later.

    Args:
        filler: Gives what fills; called on the thread. None when there are no vectors.
        observer: Who watches whether it works.
    """

    def __init__(self, filler: Callable[[], VectorFiller | None], observer: Observer = SILENT) -> None:
        self._filler = filler
        self._observer = observer
        self._wanted, self._closing = threading.Event(), threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pause_seconds = 0.0

    def note(self) -> None:
        """Tell that something was recorded, or that there may be something from before."""
        self._wanted.set()
        with self._starting:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name="zaxy-vectors", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        _lower_priority()
        while self._wanted.wait() and not self._closing.wait(self._pause_seconds or _GATHER_SECONDS):
            self._wanted.clear()
            filler: VectorFiller | None = None
            try:
                filler = self._filler()
                if filler is None:
                    return
                alone = filler.fill(stop=self._closing.is_set) is not None
                self._pause_seconds = 0.0 if alone else _OTHER_PROCESS_SECONDS
                if not alone:
                    self._wanted.set()
            except Exception as error:  # whatever a model raises: neither the log nor the answers depend on this thread
                self._failed(filler, error)

    def _failed(self, filler: VectorFiller | None, error: Exception) -> None:
        told = str(error) or type(error).__name__
        is_provider = isinstance(error, EmbeddingError)
        reason = Reason.EMBEDDING_PROVIDER_UNAVAILABLE if is_provider else Reason.VECTORS_UNAVAILABLE
        self._observer.count(Counted.DEGRADED, reason)
        if filler is not None and filler.last_error != told:
            logger.warning("vectors could not be filled in: %s", told)
            filler.last_error = told
        self._pause_seconds = min(max(self._pause_seconds * 2, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
        self._wanted.set()

    def close(self) -> None:
        """End the thread after the texts that it embeds now; one that waits for a server is left to end by itself."""
        with self._starting:
            self._closing.set()
            self._wanted.set()
            thread = self._thread
        if thread is not None:
            thread.join(_END_SECONDS)


def _lower_priority() -> None:
    """Let everything else go first, where the system can do that for one thread."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
