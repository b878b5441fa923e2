"""What a watcher leaves outside of the loom: that it runs, how it goes, and up to where it read."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any, Final

import orjson

from zaxy.errors import BusyError
from zaxy.files.cache import replace_cache
from zaxy.files.durable import make_directories, write_failed
from zaxy.files.lock import locked, try_lock, unlock
from zaxy.services.capture.watching import Position

_LOCK_SECONDS: Final = 0.5
"""A moment longer than somebody takes who only looks whether a watcher runs."""

_STOP_SECONDS: Final = 20.0
_PAUSE_SECONDS: Final = 0.05
_NOBODY: Final = -1


@dataclass(frozen=True, slots=True)
class WatcherStatus:
    """How a watcher stands.

    Attributes:
        is_running: Whether its process runs.
        pid: Its process, 0 where there never was one.
        since: When it started, RFC 3339.
        folders: What it follows.
        project: Only sessions that worked there, None for all.
        files: How many transcripts it read.
        lines: How many lines since it started.
        added: How many events since it started.
        waiting_bytes: How much it knew not to be read at its last look.
        failures: How often it failed since it last worked.
        last_error: What it last failed with, None when it works.
        is_paused: Whether capture was paused at its last look.
        updated_at: When it last told, RFC 3339.
        was_stopped: Whether it ended because it was asked to.
    """

    is_running: bool = False
    pid: int = 0
    since: str = ""
    folders: tuple[str, ...] = ()
    project: str | None = None
    files: int = 0
    lines: int = 0
    added: int = 0
    waiting_bytes: int = 0
    failures: int = 0
    last_error: str | None = None
    is_paused: bool = False
    updated_at: str = ""
    was_stopped: bool = False

    @property
    def name(self) -> str:
        """What captures."""
        return "watcher"

    @property
    def spooled_events(self) -> int:
        """How many events wait outside of the loom: none, the transcripts themselves are what waits."""
        return 0

    @property
    def is_alive(self) -> bool | None:
        """Whether its process runs; None where it was stopped or never started."""
        return True if self.is_running else None if self.was_stopped or not self.pid else False


class WatchPlace:
    """The files of one loom's watcher.

    Args:
        folder: Where capture keeps what is its own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = folder / "watcher.lock"
        self._status = folder / "watcher.json"
        self._positions = folder / "watched.json"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Be the one watcher of the loom for the length of a ``with`` block.

        Raises:
            BusyError: There is one already.
            WriteFailedError: The folder cannot be written.
        """
        make_directories(self._folder)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(self._lock, timeout_seconds=_LOCK_SECONDS))
            except BusyError as error:
                raise BusyError(
                    f"a watcher runs already for this loom (process {self.status().pid})", remedy="zaxy capture status"
                ) from error
            try:
                replace_cache(self._status, orjson.dumps(asdict(WatcherStatus(pid=os.getpid()))))  # whom to ask to end
            except OSError as error:
                raise write_failed(self._status, error) from error
            yield

    def is_running(self) -> bool:
        """Return whether a watcher runs."""
        try:
            descriptor = try_lock(self._lock) if self._lock.exists() else _NOBODY
        except OSError:  # nobody runs where nothing can be locked
            return False
        if descriptor is None:
            return True
        if descriptor != _NOBODY:
            unlock(descriptor)
        return False

    def status(self) -> WatcherStatus:
        """Return how the watcher stands; what cannot be read counts as never told."""
        told = _read(self._status)
        known = {field.name: told[field.name] for field in fields(WatcherStatus) if field.name in told}
        with contextlib.suppress(TypeError):
            known["folders"] = tuple(known.get("folders", ()))
            return WatcherStatus(**{**known, "is_running": self.is_running()})
        return WatcherStatus(is_running=self.is_running())

    def tell(self, status: WatcherStatus) -> None:
        """Note how the watcher stands; where that cannot be written, nothing is noted."""
        with contextlib.suppress(OSError):
            replace_cache(self._status, orjson.dumps(asdict(status)))

    def positions(self) -> dict[str, Position]:
        """Return up to where each file was read; what cannot be read is read again from its start."""
        found: dict[str, Position] = {}
        for path, told in _read(self._positions).items():
            if isinstance(told, list) and all(isinstance(part, int) for part in told):
                with contextlib.suppress(TypeError):
                    found[path] = Position(*told)
        return found

    def keep(self, positions: Mapping[str, Position]) -> None:
        """Note up to where files were read, after what was read is on disk. A lost note costs only time."""
        with contextlib.suppress(OSError):
            replace_cache(self._positions, orjson.dumps({path: astuple(at) for path, at in positions.items()}))

    def stop(self) -> bool:
        """Ask the watcher to end, and wait until it has.

        Returns:
            Whether one ran.

        Raises:
            BusyError: It did not end in time.
        """
        if not self.is_running():
            return False
        deadline = time.monotonic() + _STOP_SECONDS
        asked = 0
        while self.is_running():
            pid = self.status().pid
            if pid != asked and _is_watcher(pid):
                asked = pid
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGTERM)
            if time.monotonic() >= deadline:
                raise BusyError(
                    f"the watcher (process {self.status().pid}) did not end within {_STOP_SECONDS:.0f} seconds",
                    remedy="zaxy capture stop",
                )
            time.sleep(_PAUSE_SECONDS)  # the lock tells of its end only when it is asked
        return True


def _is_watcher(pid: object) -> bool:
    """Return whether a process may be a watcher: a note that was left behind may name one that is something else."""
    if type(pid) is not int or pid <= 1:  # 0 and below mean whole groups of processes
        return False
    try:
        return b"\0capture\0start\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return not Path("/proc/self").exists()


def _read(path: Path) -> dict[str, Any]:
    try:
        told = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
