"""Recording what a hook saw: into the log where that is possible at once, else into the spool."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Final

from zaxy.clock import parse_time
from zaxy.config import Settings
from zaxy.errors import InvalidInputError, NotFoundError, ZaxyError
from zaxy.eventloom.event import Draft
from zaxy.eventloom.loom import CheckpointPolicy, Eventloom
from zaxy.eventloom.sealing import sealer_maker
from zaxy.eventloom.writer import FsyncPolicy, WriterOptions
from zaxy.services.capture.exclusion import exclusion_of
from zaxy.services.capture.hooks.drafts import told_origin, without_body
from zaxy.services.capture.hooks.place import CapturePlace
from zaxy.services.capture.hooks.spool import MOST_FILES, Spool
from zaxy.services.capture.intake import Parsed, Report, deliver
from zaxy.services.capture.sink import LoomSink

LOCK_TIMEOUT_SECONDS: Final = 0.03
"""How long a hook waits for another writer of the same log before it leaves its events in the spool."""

_DRAINED_FILES: Final = 100


class Recorder:
    """Records events of hooks. One hook has one.

    Args:
        settings: Where the loom is.
        place: Where the spool is; None where nothing can be kept.
        problem: Told of what the log refused.
        signs: Whether a checkpoint that is due is made: it takes longer than most hooks may.
    """

    def __init__(
        self,
        settings: Settings,
        place: CapturePlace | None,
        problem: Callable[[str], None] = lambda _: None,
        *,
        signs: bool = False,
    ) -> None:
        self._settings = settings
        self._spool = None if place is None else Spool(place)
        self._pauses = [] if place is None else place.pauses()
        self._problem = problem
        self._exclusion = exclusion_of(settings.capture_exclude)
        due = (settings.checkpoint_events, settings.checkpoint_seconds) if signs else (0, 0)
        self.loom = Eventloom(
            settings.eventloom_path,
            options=WriterOptions(FsyncPolicy(settings.fsync), settings.max_event_bytes, LOCK_TIMEOUT_SECONDS),
            state_path=settings.state_path,
            checkpoints=CheckpointPolicy(*due),
            sealer=sealer_maker(settings),
        )

    def record(self, parsed: Sequence[Parsed], met: dict[str, str], identity: str = "") -> None:
        """Record events that have keys. On return they are on disk, in the log or in the spool.

        Args:
            parsed: The events.
            met: As `LoomSink` takes it.
            identity: Who runs the client.

        Raises:
            ZaxyError: They could be put into neither.
            OSError: Likewise.
        """
        kept = [
            (session_id, without_body(told_origin(draft, identity)))
            for session_id, draft in parsed
            if not self._exclusion.refuses(draft) and not self._was_paused(draft)
        ]
        if not kept:
            return
        late = kept
        try:
            if not self.loom.path.is_dir():
                raise NotFoundError(f"there is no loom at {self.loom.path}", remedy="make one: zaxy init")
            held_up = self.drain(_DRAINED_FILES)  # what waits of a session comes before what is new in it
            report = Report()
            ready = [item for item in kept if item[0] not in held_up]
            deliver(ready, LoomSink(self._settings, self.loom, met=met), report)
            for finding in report.findings:
                self._problem(finding.reason)
            late = [item for item in kept if item[0] in held_up]
        except (ZaxyError, OSError):
            if self._spool is None:
                raise
        if late and self._spool is not None:
            self._spool.put(late)

    def drain(self, most_files: int = MOST_FILES) -> set[str]:
        """Record what waits in the spool. As `Spool.drain`."""
        if self._spool is None or not self._spool.files():
            return set()
        return self._spool.drain(LoomSink(self._settings, self.loom), most_files)

    def _was_paused(self, draft: Draft) -> bool:
        if not self._pauses:
            return False
        try:
            moment = parse_time(draft.payload.get("occurred_at"))
        except InvalidInputError:
            return False
        return any(since <= moment < until for since, until in self._pauses)

    def close(self) -> None:
        """Release all files."""
        self.loom.close()


def record_waiting(settings: Settings) -> None:
    """Record what hooks left in the spool of a loom, if it can be done now. Never raises.

    Args:
        settings: Which loom.
    """
    place = CapturePlace.of(settings)
    if place is None or not Spool(place).files() or not settings.eventloom_path.is_dir():
        return
    with contextlib.suppress(ZaxyError, OSError), contextlib.closing(Recorder(settings, place)) as recorder:
        recorder.drain()
