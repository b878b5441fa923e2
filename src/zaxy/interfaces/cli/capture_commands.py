"""``zaxy capture``: recording what clients do while they do it."""

from __future__ import annotations

import signal
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from zaxy.errors import InvalidInputError, UnavailableError
from zaxy.interfaces.cli.opening import opened, settle
from zaxy.interfaces.cli.options import Outcome, Place, place_options
from zaxy.interfaces.cli.text import counted, one_line, say, say_json

if TYPE_CHECKING:
    from zaxy.memory import Memory
    from zaxy.services.capture.watch_place import WatcherStatus, WatchPlace
    from zaxy.services.capture.watching import Seen, Watcher

_HOT_PAUSE_SECONDS: Final = 0.5
_QUIET_PAUSE_SECONDS: Final = 2.0
_QUIET_AFTER_SECONDS: Final = 30.0
_START_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05
_SETTLE_AFTER_SECONDS: Final = 5.0


@click.group()
def capture() -> None:
    """Record what coding agents do while they do it.

    \b
    Example:
      zaxy capture start
      zaxy capture stop
    """


@capture.command("start")
@click.argument("folders", nargs=-1, type=click.Path(), metavar="[FOLDER]...")
@click.option("--all-projects", is_flag=True, help="Sessions of every project, not only of this one.")
@click.option("--foreground", is_flag=True, help="Run here until Ctrl-C, not in the background.")
@click.option("--once", is_flag=True, help="Take what is there, and end.")
@place_options
def start(place: Place, folders: tuple[str, ...], *, all_projects: bool, foreground: bool, once: bool) -> Outcome:
    """Follow the transcripts of Claude Code and Codex: for clients without hooks.

    Without FOLDER these are the sessions of this project in ~/.claude/projects and ~/.codex/sessions. It goes on where
    it was, however it ended.

    \b
    Example:
      zaxy capture start
      zaxy capture status
      zaxy capture stop
    """
    wanted = _Wanted(folders, all_projects)
    with opened(place) as memory:
        watch = _place(memory)
        if foreground or once:
            _run(memory, watch, wanted, once=once)
        else:
            _start_apart(memory, watch, wanted)
        status = watch.status()
    if place.as_json:
        _tell_json(status)
    elif once or foreground:
        say(f"Added {counted(status.added, 'event')} from {counted(status.lines, 'line')}")
    else:
        say(f"Following {', '.join(map(one_line, status.folders))} (process {status.pid})")
    return 1 if once and status.last_error else None


@capture.command("status")
@place_options
def status_command(place: Place) -> Outcome:
    """Tell whether transcripts are followed, and how that goes.

    \b
    Example:
      zaxy capture status
    """
    with opened(place) as memory:
        status = _place(memory).status()
    if place.as_json:
        _tell_json(status)
        return None
    say(f"Watcher: {f'running (process {status.pid})' if status.is_running else 'not running'}")
    if status.pid:
        say(f"  since {one_line(status.since)}, last heard of {one_line(status.updated_at)}")
        say(f"  follows {', '.join(map(one_line, status.folders))}")
        say(f"  of {'all projects' if status.project is None else one_line(status.project)}")
        say(f"  {counted(status.files, 'transcript')}, {counted(status.lines, 'line')}, {status.added:,} events added")
        say(f"  {status.waiting_bytes:,} bytes wait to be read")
    if status.last_error:
        say(f"  failed {counted(status.failures, 'time')}, last with: {one_line(status.last_error)}")
    return None


@capture.command("stop")
@place_options
def stop(place: Place) -> Outcome:
    """End the watcher. What it has read is recorded; the next one goes on from there.

    \b
    Example:
      zaxy capture stop
    """
    with opened(place) as memory:
        watch = _place(memory)
        was_running = watch.stop()
        status = watch.status()
    if place.as_json:
        _tell_json(status)
    else:
        say("Stopped" if was_running else "No watcher was running")
    return None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be followed, as given."""

    folders: tuple[str, ...]
    all_projects: bool

    def words(self) -> list[str]:
        return [*(["--all-projects"] if self.all_projects else []), "--", *self.folders]


def _place(memory: Memory) -> WatchPlace:
    from zaxy.services.capture.hooks.place import CapturePlace
    from zaxy.services.capture.watch_place import WatchPlace

    place = CapturePlace.of(memory.settings)
    if place is None:
        raise UnavailableError("there is no folder for what a watcher keeps", remedy="set HOME, or XDG_STATE_HOME")
    return WatchPlace(place.folder)


def _watcher(memory: Memory, watch: WatchPlace, wanted: _Wanted) -> Watcher:
    from zaxy.config import project_folder
    from zaxy.eventloom.origin import Origin, SourceClass
    from zaxy.services.capture.marking import MarkingSink
    from zaxy.services.capture.sink import LoomSink
    from zaxy.services.capture.watching import CLIENTS, FOLDERS, Scope, Watcher
    from zaxy.services.governance.attribution import user_name

    folders = tuple(Path(told).expanduser().absolute() for told in wanted.folders or FOLDERS.values())
    missing = [folder for folder in folders if wanted.folders and not folder.is_dir()]
    if missing:
        raise InvalidInputError(f"{missing[0]} is not a folder", remedy="name a folder with transcripts")
    of_all = wanted.all_projects or bool(wanted.folders)
    project = None if of_all else project_folder(Path.cwd()).resolve()
    sink = LoomSink(memory.settings, memory.loom, met={})
    sinks = {client: MarkingSink(sink, Origin(SourceClass.IMPORT, client, user_name())) for client in CLIENTS}
    return Watcher(Scope(folders, project), sinks, watch.positions())


def _start_apart(memory: Memory, watch: WatchPlace, wanted: _Wanted) -> None:
    """Start a process that watches, and wait until it does.

    Raises:
        BusyError: One runs already.
        UnavailableError: It ended at once.
    """
    import subprocess

    _watcher(memory, watch, wanted)  # what is wrong with the words is told here
    memory.loom.refuse_unusable()
    words = [sys.executable, "-m", "zaxy", "capture", "start", "--foreground", "--json"]
    words += ["--eventloom-path", str(memory.loom.path), *wanted.words()]
    with watch.alone():
        pass
    process = subprocess.Popen(  # noqa: S603 - this program itself, no shell
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        status = watch.status()
        if status.pid == process.pid and status.since:
            return
        if process.poll() is not None:
            raise UnavailableError("the watcher ended at once", remedy="see why: zaxy capture start --foreground")
        time.sleep(_POLL_SECONDS)  # the other process tells by a file
    raise UnavailableError(f"the watcher does not run after {_START_SECONDS:.0f} seconds", remedy="zaxy capture status")


def _run(memory: Memory, watch: WatchPlace, wanted: _Wanted, *, once: bool) -> None:
    """Watch until asked to end.

    Raises:
        BusyError: A watcher runs already.
    """
    ending = threading.Event()
    with watch.alone():
        watching = _Watching(memory, watch, _watcher(memory, watch, wanted))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ending.set())
        while not ending.is_set():
            pause = watching.look()
            if once and pause:
                break
            ending.wait(pause)
        watching.end()


class _Watching:
    """One watcher at work: looks, tells how it goes, and keeps the stores from falling far behind."""

    def __init__(self, memory: Memory, watch: WatchPlace, watcher: Watcher) -> None:
        from zaxy.services.capture.watch_place import WatcherStatus

        self._memory = memory
        self._watch = watch
        self._watcher = watcher
        self._unsettled_since: float | None = None
        self._grew_at = 0.0
        scope = watcher.scope
        self._status: WatcherStatus = WatcherStatus(
            is_running=True,
            pid=watch.status().pid,
            since=self._now(),
            folders=tuple(map(str, scope.folders)),
            project=None if scope.project is None else str(scope.project),
        )
        watch.tell(self._status)

    def look(self) -> float:
        """Look once; return after how many seconds to look again."""
        from zaxy.services.capture.hooks.place import CapturePlace

        place = CapturePlace.of(self._memory.settings)
        if place is not None:
            self._watcher.scope = replace(self._watcher.scope, pauses=tuple(place.pauses()))
        seen = self._watcher.look(time.monotonic())
        self._note(seen, is_paused=place is not None and place.is_paused())
        if seen.lines:
            self._grew_at = time.monotonic()
        if seen.more:
            return 0.0
        self._settle(seen)
        if not self._watcher.is_hot:
            return self._watcher.interval_seconds
        is_quiet = time.monotonic() - self._grew_at > _QUIET_AFTER_SECONDS
        return _QUIET_PAUSE_SECONDS if is_quiet else _HOT_PAUSE_SECONDS

    def end(self) -> None:
        self._status = replace(self._status, was_stopped=True, is_running=False, updated_at=self._now())
        self._watch.tell(self._status)

    def _note(self, seen: Seen, *, is_paused: bool) -> None:
        if seen.lines:
            self._watch.keep(self._watcher.positions)
        told = replace(
            self._status,
            files=self._watcher.files,
            lines=self._status.lines + seen.lines,
            added=self._status.added + seen.recorded.added,
            waiting_bytes=seen.waiting_bytes,
            failures=self._status.failures + 1 if seen.problem else 0,
            last_error=seen.problem or None,
            is_paused=is_paused,
        )
        if told != self._status or not self._status.updated_at:
            self._status = replace(told, updated_at=self._now())
            self._watch.tell(self._status)

    def _settle(self, seen: Seen) -> None:
        """Let the stores take in a long tail once it is quiet, so that the next question need not."""
        now = time.monotonic()
        if seen.recorded.added:
            self._unsettled_since = now
        elif self._unsettled_since is not None and now - self._unsettled_since > _SETTLE_AFTER_SECONDS:
            self._unsettled_since = None
            settle(self._memory)

    @staticmethod
    def _now() -> str:
        from zaxy.clock import SystemClock, format_time

        return format_time(SystemClock().now())


def _tell_json(status: WatcherStatus) -> None:
    from zaxy.interfaces.serialize import to_json

    told: dict[str, Any] = to_json(status)
    say_json(told)
